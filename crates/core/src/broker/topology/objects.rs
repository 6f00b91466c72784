//! What lies on a broker: exchanges, queues and bindings.

use serde::{Deserialize, Serialize};

use super::super::message::Table;

/// How a queue keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueType {
    /// Replicated and written through a log: the default.
    #[default]
    Quorum,
    /// As Python declares queues. A broker that is killed may lose messages that wait in a classic delay queue.
    Classic,
}

/// A durable exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// How it routes.
    pub kind: ExchangeKind,
    /// Whether its type is ours to insist on.
    pub owned: bool,
}

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// By the whole routing key.
    #[default]
    Direct,
    /// By a pattern of words.
    Topic,
    /// To every queue that is bound.
    Fanout,
    /// By the message's headers.
    Headers,
}

impl ExchangeKind {
    /// Its name in AMQP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Topic => "topic",
            Self::Fanout => "fanout",
            Self::Headers => "headers",
        }
    }
}

/// A durable queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Table,
    /// Whether the arguments are ours to insist on. Another program's queue is taken as it is.
    pub owned: bool,
}

/// A binding of an exchange's messages to a queue or to another exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Where the messages come from.
    pub source: String,
    /// Where they go.
    pub destination: Destination,
    /// Which of them: a routing key, or a topic pattern.
    pub key: String,
    /// Which of them, on a headers exchange.
    pub arguments: Table,
}

/// The far end of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Destination {
    Queue(String),
    Exchange(String),
}
