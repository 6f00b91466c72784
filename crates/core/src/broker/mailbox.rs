//! Where a worker meets Celery's remote control and events, whatever the broker: the names, what is heard and what is said.
//!
//! A [`Mailbox`] is a node's place: it hears what clients broadcast and says events and replies through its
//! [`Announcer`], on a connection of its own whose loss disturbs no task. An [`Inquiry`] is the other side: it broadcasts
//! one request and collects the replies. Both carry messages; what they say is read in [`crate::celery`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::message::Message;

/// How many messages wait to be said. A batch of events is one of them.
pub(super) const OUTBOX: usize = 1024;
/// How many places in there batches of events leave to the rest: a worker that has much to tell must not look dead.
const KEPT: usize = 128;
/// How many requests wait to be heard.
pub(super) const INBOX: usize = 256;

/// The names of the exchanges that remote control and events go through: Celery's `control_exchange` and
/// `event_exchange`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// What the exchanges and queues of remote control are named after.
    pub control: String,
    /// The exchange of events.
    pub events: String,
}

/// What a node listens to.
#[derive(Debug, Clone)]
pub struct MailboxConfig {
    /// The node's name, as `w1@host`.
    pub node: String,
    /// The exchanges.
    pub namespace: Namespace,
    /// Whether it hears the elections that Celery's workers hold among themselves.
    pub elections: bool,
}

/// What came to a mailbox.
#[derive(Debug)]
pub enum Heard {
    /// It is connected, for the first time or again: others forget who is gone for a few seconds.
    Connected,
    /// A request of a client, perhaps for another node.
    Request(Message),
    /// An election, which waits for an answer of every node.
    Election(Message),
}

/// A node's place among Celery's workers.
#[derive(Debug)]
pub struct Mailbox {
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) announcer: Announcer,
}

/// Says things in a node's name. Cheap to clone.
///
/// Nothing is confirmed and nobody waits: what finds no room is dropped, and told so.
#[derive(Debug, Clone)]
pub struct Announcer {
    pub(super) outbox: mpsc::Sender<Said>,
    pub(super) live: Arc<AtomicBool>,
    pub(super) close: CancellationToken,
}

/// A message on its way to an exchange.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) message: Message,
}

/// One request to all nodes, and how its replies are collected.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// The exchanges.
    pub namespace: Namespace,
    /// The request.
    pub request: Message,
    /// What the replies come to, unless none are wanted.
    pub replies: Option<Replies>,
}

/// How replies are collected.
#[derive(Debug, Clone)]
pub struct Replies {
    /// The routing key that the request asks to be answered to.
    pub key: String,
    /// How long to wait for another one.
    pub patience: Duration,
    /// How many are enough.
    pub limit: Option<usize>,
}

/// Where a broker is, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The name or the address of its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The virtual host.
    pub vhost: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The connection's sign of life.
    pub heartbeat: Duration,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
}

/// Why a request could not be broadcast.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the request was not sent: {text}")]
pub struct InquiryError {
    pub(super) text: String,
    pub(super) refused: bool,
}

impl Default for Namespace {
    fn default() -> Self {
        Self { control: "celery".into(), events: "celeryev".into() }
    }
}

impl Namespace {
    /// The exchange that requests are broadcast on.
    pub fn pidbox(&self) -> String {
        format!("{}.pidbox", self.control)
    }

    /// The exchange that replies go through.
    pub fn reply(&self) -> String {
        format!("reply.{}.pidbox", self.control)
    }

    /// The queue of a node.
    pub(super) fn node_queue(&self, node: &str) -> String {
        format!("{node}.{}.pidbox", self.control)
    }

    /// The queue of a client that waits for replies to that key.
    pub(super) fn reply_queue(&self, key: &str) -> String {
        format!("{key}.{}", self.reply())
    }
}

impl InquiryError {
    /// Whether the broker refuses it to this user, so that it will be the same the next time.
    pub fn is_refused(&self) -> bool {
        self.refused
    }
}

impl Address {
    /// The address as Celery shows one, its password starred.
    pub fn masked(&self) -> String {
        let Self { host, port, user, vhost, tls, .. } = self;
        let scheme = if *tls { "amqps" } else { "amqp" };
        format!("{scheme}://{user}:********@{host}:{port}/{vhost}")
    }
}

impl Mailbox {
    /// What came next; `None` once nothing more can come, because it is closed or was refused.
    pub async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// What speaks in this node's name.
    pub fn announcer(&self) -> &Announcer {
        &self.announcer
    }
}

impl Announcer {
    /// Says something without waiting; `false` when it was dropped.
    pub fn announce(&self, exchange: &str, key: &str, message: Message) -> bool {
        let said = Said { exchange: exchange.into(), key: key.into(), message };
        self.outbox.try_send(said).is_ok()
    }

    /// The same for a batch of events, which leaves room for signs of life and for replies.
    pub fn announce_batch(&self, exchange: &str, key: &str, batch: Message) -> bool {
        self.outbox.capacity() > KEPT && self.announce(exchange, key, batch)
    }

    /// Whether what is said now goes out now.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::SeqCst)
    }

    /// Says what was said so far, and leaves.
    pub fn close(&self) {
        self.close.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_nobody_takes_leave_room_for_signs_of_life() {
        let (outbox, said) = mpsc::channel(OUTBOX);
        let live = Arc::new(AtomicBool::new(false));
        let announcer = Announcer { outbox, live, close: CancellationToken::new() };

        let batches =
            (0..2 * OUTBOX).filter(|_| announcer.announce_batch("e", "task.multi", Message::default()));
        let batches = batches.count();
        let signs = (0..2 * KEPT).filter(|_| announcer.announce("e", "worker.heartbeat", Message::default()));

        assert_eq!((batches, signs.count()), (OUTBOX - KEPT, KEPT));
        assert_eq!(said.len(), OUTBOX);
    }
}
