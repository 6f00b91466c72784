//! A message that is being worked on, apart from the way in which it is settled.
//!
//! A task that is acknowledged before its run goes on with the message alone: whatever comes after it is published all
//! the same, but nothing can go back to the queue any more.

use std::mem;
use std::sync::Arc;

use postrider_core::broker::Delivery;
use postrider_core::broker::message::Message;

/// A message that is being worked on.
#[derive(Debug)]
pub(crate) struct Held {
    /// The queue that it came from.
    pub queue: Arc<str>,
    /// The exchange that it was published to, and the routing key. They are empty while a task has them.
    pub published_to: (String, String),
    /// Whether it was handed out before. A hint only.
    pub redelivered: bool,
    /// The message. It is empty while a task has it.
    pub message: Message,
    /// What settles it, until it is.
    delivery: Option<Delivery>,
}

impl Held {
    /// Acknowledges before the run. `false` when the connection is gone: the message will be handed out again, and must
    /// not be run here.
    pub(crate) async fn ack_early(&mut self) -> bool {
        match self.delivery.take() {
            Some(delivery) => delivery.ack().await,
            None => true,
        }
    }

    /// Takes it out of the queue, if it still is in it.
    pub(crate) fn ack(self) -> impl Future<Output = ()> + Send {
        // Without the message, for which each running task would keep room twice.
        let delivery = self.delivery;
        async move {
            if let Some(delivery) = delivery {
                delivery.ack().await;
            }
        }
    }

    /// Puts it back, for whichever worker comes next. `false` when it was acknowledged before its run and is gone.
    pub(crate) async fn requeue(self) -> bool {
        let Some(mut delivery) = self.delivery else { return false };
        delivery.message = self.message;
        delivery.requeue().await;
        true
    }
}

impl From<Delivery> for Held {
    fn from(mut delivery: Delivery) -> Self {
        let message = mem::take(&mut delivery.message);
        Self {
            queue: Arc::clone(&delivery.queue),
            published_to: (mem::take(&mut delivery.exchange), mem::take(&mut delivery.routing_key)),
            redelivered: delivery.redelivered,
            message,
            delivery: Some(delivery),
        }
    }
}
