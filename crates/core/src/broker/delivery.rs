//! A message that was handed out, and the stream of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::amqp::{Single, Ticket};
use super::consumers::{Consumers, Wanted};
use super::handover::Handover;
use super::memory::MemoryAcker;
use super::message::{Message, Value};

/// A message that was handed out and must be settled once.
///
/// Dropping it unsettled leaves it with the broker, which hands it out again when the connection ends.
#[derive(Debug)]
pub struct Delivery {
    /// The queue it came from.
    pub queue: Arc<str>,
    /// Whether it was handed out before. A hint only.
    pub redelivered: bool,
    /// The exchange that it was published to; empty for the default one.
    pub exchange: String,
    /// The routing key that it was published with. One that Celery delayed has 28 digits in front
    /// ([`plain_key`](super::topology::plain_key)).
    pub routing_key: String,
    /// The message.
    pub message: Message,
    pub(super) acker: Acker,
    /// When it arrived here, in periods of its consumer.
    pub(super) period: u32,
}

#[derive(Debug)]
pub(super) enum Acker {
    Amqp(Ticket),
    /// Boxed: what the client library needs to settle a message is large.
    Single(Box<Single>),
    Memory(MemoryAcker),
}

impl Delivery {
    /// How often a quorum queue has handed it out before; zero where the queue does not count.
    pub fn delivery_count(&self) -> u64 {
        let count = self.message.headers.get("x-delivery-count").and_then(Value::as_i64).unwrap_or(0);
        u64::try_from(count).unwrap_or(0)
    }

    /// Whether its connection is known to be gone, so that it will be handed out again whatever is done here.
    pub fn is_lost(&self) -> bool {
        match &self.acker {
            Acker::Amqp(ticket) => ticket.is_lost(),
            Acker::Single(_) | Acker::Memory(_) => false,
        }
    }

    /// Takes it out of the queue, at the latest a few milliseconds later: a consumer's acks are sent together. `false`
    /// when the connection is known to be gone, so that it will be handed out again.
    pub fn ack(self) -> impl Future<Output = bool> + Send {
        // Without the message, for which each running task would keep room twice.
        let acker = self.acker;
        async move {
            match acker {
                Acker::Amqp(ticket) => ticket.ack(),
                Acker::Single(acker) => Box::pin(acker.ack()).await,
                Acker::Memory(acker) => acker.ack(),
            }
        }
    }

    /// Puts it back, for whichever worker comes next. `false` when the connection is gone, which does the same.
    pub async fn requeue(self) -> bool {
        match self.acker {
            Acker::Amqp(ticket) => Box::pin(ticket.requeue()).await,
            Acker::Single(acker) => Box::pin(acker.requeue()).await,
            Acker::Memory(acker) => acker.requeue(self.message),
        }
    }
}

/// The deliveries of some queues, across reconnects.
#[derive(Debug)]
pub struct Consumer {
    pub(super) handover: Arc<Handover>,
    pub(super) wanted: Arc<Wanted>,
    pub(super) cancel: CancellationToken,
    pub(super) close: CancellationToken,
    pub(super) live: Arc<AtomicBool>,
}

impl Consumer {
    /// The next delivery; `None` once the consumer is cancelled.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.handover.next().await
    }

    /// Changes what it takes messages from.
    pub fn consumers(&self) -> Consumers {
        Consumers { wanted: Arc::clone(&self.wanted), handover: Arc::clone(&self.handover) }
    }

    /// Stops the flow: the broker hands out nothing more, and what nobody has taken goes back to its queue. Deliveries
    /// that were taken can still be settled until [`Consumer::close`].
    pub async fn cancel(&mut self) {
        self.stop();
        for delivery in self.handover.take_all() {
            delivery.requeue().await;
        }
    }

    /// Gives up the connection; whatever is still unsettled goes back to its queue.
    pub fn close(self) {
        self.stop();
        self.close.cancel();
    }

    fn stop(&self) {
        self.cancel.cancel();
        self.handover.end();
        self.wanted.touch();
    }

    /// Tells at any time whether the broker is handing out messages.
    pub fn liveness(&self) -> Liveness {
        Liveness(Arc::clone(&self.live))
    }
}

/// Whether a consumer is connected and subscribed.
#[derive(Debug, Clone)]
pub struct Liveness(Arc<AtomicBool>);

impl Liveness {
    /// Whether messages can arrive now.
    pub fn is_live(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop();
        self.close.cancel();
    }
}
