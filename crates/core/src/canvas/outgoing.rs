//! What is to be published, as data.

use std::time::Duration;

use crate::broker::message::Message;
use crate::results::ResultTree;

/// A message with the way that it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The task id.
    pub id: String,
    /// Where it goes.
    pub address: Address,
    /// How long it waits before it is in its queue.
    pub delay: Duration,
    /// The message.
    pub message: Message,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A queue, however it is reached.
    Queue(String),
    /// An exchange, by a routing key.
    Exchange {
        /// The exchange.
        exchange: String,
        /// The routing key.
        key: String,
    },
}

/// The messages of a workflow, and what a result store has to know before they are published.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What was called, each by its result: that of a chain is its last step's. The last one is asked for.
    pub results: Vec<ResultTree>,
    /// What is published now, as Celery's `children` of the task that calls it: tasks, and groups with their members.
    pub children: Vec<ResultTree>,
    /// Chord headers with groups in them, to be kept with `Results::save_group`.
    pub headers: Vec<ResultTree>,
    /// The sizes of chords by their groups, to be told with `Results::set_chord_size`.
    pub chords: Vec<(String, usize)>,
    /// The messages in their order.
    pub outgoing: Vec<Outgoing>,
}

impl Plan {
    /// One message and nothing else.
    pub fn of(outgoing: Outgoing) -> Self {
        let result = vec![ResultTree::task(outgoing.id.as_str())];
        Self { results: result.clone(), children: result, outgoing: vec![outgoing], ..Self::default() }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.outgoing.is_empty() && self.chords.is_empty() && self.headers.is_empty()
    }
}
