//! Carries messages: RabbitMQ for real, or queues in memory for the one-command start and for tests.
//!
//! A publish ends in one of three ways that callers must tell apart: confirmed, certainly not published, or unknown.
//! A queue is addressed by its name; how it is routed there (an exchange of that name, or the delay ladder) is decided
//! in [`topology`].

mod amqp;
mod consumers;
mod delivery;
mod handover;
mod mailbox;
mod memory;
pub mod message;
mod reply_queue;
pub mod topology;

use std::time::Duration;

pub use amqp::{AmqpBroker, AmqpConfig, DeadLetters, TopologyError, check_topology};
pub use consumers::Consumers;
pub use delivery::{Consumer, Delivery, Liveness};
pub use mailbox::{
    Address, Announcer, Heard, Inquiry, InquiryError, Mailbox, MailboxConfig, Namespace, Replies,
};
pub use memory::MemoryBroker;
pub use reply_queue::ReplyQueue;

use message::Message;
use topology::Topology;

use crate::shutdown::Shutdown;

/// A broker to publish to and consume from. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Broker {
    /// RabbitMQ.
    Amqp(AmqpBroker),
    /// Queues in this process.
    Memory(MemoryBroker),
}

/// A queue to consume from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The queue's name.
    pub queue: String,
    /// How many unacknowledged messages the broker may hand out; 0 is without a bound.
    pub prefetch: u16,
    /// Whether nothing is taken from it for now.
    pub withheld: bool,
}

/// Why a message is not known to be in its queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It is certainly in no queue: undo what was done for it.
    #[error("not published: {0}")]
    NotPublished(NotPublished),
    /// It may be in its queue: keep what was done for it.
    #[error("the broker did not confirm: {0}")]
    Unconfirmed(String),
}

/// Why a message is certainly in no queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// There is no connection.
    #[error("no connection to the broker")]
    Disconnected,
    /// The broker has stopped taking messages, for example because its disk is full.
    #[error("the broker blocks publishing (memory or disk alarm)")]
    Blocked,
    /// More messages wait for their confirm than are allowed.
    #[error("too many messages wait for their confirm")]
    Overloaded,
    /// The broker refused it, for example because the queue is full.
    #[error("the broker refused it (nack)")]
    Nacked,
    /// No queue takes it.
    #[error("no queue takes it ({0})")]
    Returned(String),
    /// The headers are larger than a frame.
    #[error("its headers are larger than a frame")]
    Headers,
    /// A name is longer than AMQP allows.
    #[error("the name {0:?} is longer than 255 bytes")]
    Name(String),
}

impl PublishError {
    /// Whether the same message can never be published, however often it is tried.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NotPublished(NotPublished::Headers | NotPublished::Name(_)))
    }

    /// Whether the broker answered, and did not want it: the same message may be taken once somebody has made a queue or
    /// emptied one.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::NotPublished(NotPublished::Returned(_) | NotPublished::Nacked))
    }
}

impl Broker {
    /// Publishes to a queue and waits until the broker has it on disk.
    pub async fn publish(&self, queue: &str, message: &Message) -> Result<(), PublishError> {
        match self {
            Self::Amqp(amqp) => amqp.publish(queue, message).await,
            Self::Memory(memory) => memory.publish(queue, message.clone()),
        }
    }

    /// Publishes to an exchange by a routing key and waits until the broker has it on disk, in at least one queue. The
    /// default exchange `""` takes a queue's name for the key.
    ///
    /// In memory the key is the name of a queue, whatever the exchange.
    pub async fn publish_to(&self, exchange: &str, key: &str, message: &Message) -> Result<(), PublishError> {
        match self {
            Self::Amqp(amqp) => amqp.publish_to(exchange, key, message).await,
            Self::Memory(memory) => memory.publish(key, message.clone()),
        }
    }

    /// Publishes so that the message reaches the queue after the delay, in whole seconds rounded up.
    ///
    /// The wait is the broker's: it survives the end of this process, unless the broker is in memory. A delay beyond
    /// the ladder's longest is cut to it; the message's `eta` then sends it round again.
    pub async fn publish_after(
        &self,
        queue: &str,
        delay: Duration,
        message: &Message,
    ) -> Result<(), PublishError> {
        match self {
            Self::Amqp(amqp) => amqp.publish_after(queue, delay, message).await,
            Self::Memory(memory) => memory.publish_after(queue, delay, message.clone()),
        }
    }

    /// Consumes from queues until the consumer is cancelled. Connection losses are survived inside.
    pub fn consume(&self, subscriptions: Vec<Subscription>, shutdown: &Shutdown) -> Consumer {
        match self {
            Self::Amqp(amqp) => amqp.consume(subscriptions, shutdown),
            Self::Memory(memory) => memory.consume(&subscriptions, shutdown),
        }
    }

    /// Makes sure of more exchanges, queues and bindings, now and at each later connect.
    pub async fn extend(&self, more: Topology) -> Result<(), TopologyError> {
        match self {
            Self::Amqp(amqp) => amqp.extend(more).await,
            Self::Memory(memory) => {
                memory.extend(&more);
                Ok(())
            }
        }
    }

    /// Makes a queue that nobody described, as Celery's producers do for each they publish to. One of the topology is not
    /// made so: `false`, as where this process may not make any.
    pub async fn create(&self, queue: &str) -> bool {
        match self {
            Self::Amqp(amqp) => amqp.create(queue).await,
            Self::Memory(_) => false,
        }
    }

    /// Throws away what lies ready in a queue, and tells how much it was.
    pub async fn purge(&self, queue: &str) -> Result<u64, TopologyError> {
        match self {
            Self::Amqp(amqp) => amqp.purge(queue).await,
            Self::Memory(memory) => Ok(memory.purge(queue)),
        }
    }

    /// Opens a node's mailbox: what remote control and events go through. Its connection is its own, and its loss disturbs
    /// nothing else.
    pub fn mailbox(&self, config: MailboxConfig, shutdown: &Shutdown) -> Mailbox {
        match self {
            Self::Amqp(amqp) => amqp.mailbox(config, shutdown),
            Self::Memory(memory) => memory.mailbox(config, shutdown),
        }
    }

    /// Broadcasts a request of remote control and collects its replies, on a connection made for it.
    pub async fn ask(&self, inquiry: Inquiry) -> Result<Vec<Message>, InquiryError> {
        match self {
            Self::Amqp(amqp) => amqp.ask(inquiry).await,
            Self::Memory(memory) => memory.ask(inquiry).await,
        }
    }

    /// Where it is; `None` in memory.
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Amqp(amqp) => amqp.address(),
            Self::Memory(_) => None,
        }
    }

    /// How many messages lie ready in a queue; `None` where it does not exist or the broker does not answer.
    pub async fn depth(&self, queue: &str) -> Option<u64> {
        match self {
            Self::Amqp(amqp) => amqp.depth(queue).await,
            Self::Memory(memory) => memory.depth(queue),
        }
    }

    /// Ends the publishing connection, once nothing is to be published any more.
    pub fn close(&self) {
        match self {
            Self::Amqp(amqp) => amqp.close(),
            Self::Memory(_) => {}
        }
    }

    /// Whether a publish was confirmed within this time, by the probe when nothing else was published.
    pub fn confirmed_within(&self, age: Duration) -> bool {
        match self {
            Self::Amqp(amqp) => amqp.confirmed_within(age),
            Self::Memory(_) => true,
        }
    }
}
