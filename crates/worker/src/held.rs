//! A message that is being worked on, apart from the way in which it is settled.
//!
//! A task that is acknowledged before its run goes on with the message alone: whatever comes after it is published all
//! the same, but nothing can go back to the queue any more.
//!
//! Deliveries of the same message that came while it was worked on are settled with it, see [`runs`](crate::runs). Where a
//! panic of the worker's own drops a message unsettled, [`Held::wrecked`] finds it.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::thread;

use futures::FutureExt as _;
use postrider_core::broker::Delivery;
use postrider_core::broker::message::Message;
use postrider_core::broker::topology::{is_of_the_ladder, plain_key};

use crate::runs::Claim;

/// On a message that waits in the broker and of which `task-received` was said.
pub(crate) const ANNOUNCED_HEADER: &str = "postrider-received";

thread_local! {
    /// What a panic dropped on this thread. A panic is caught on the thread that it unwinds, before anything else runs
    /// there; to keep a hold on each message just in case would cost every one of them.
    static WRECKED: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// A message that is being worked on.
#[derive(Debug)]
pub(crate) struct Held {
    /// The queue that it came from.
    pub queue: Arc<str>,
    /// The exchange that it was published to, and the routing key. They are empty while a task has them.
    pub published_to: (String, String),
    /// Whether it was handed out before. A hint only.
    pub redelivered: bool,
    /// Whether a worker said that it was received, before it had to wait.
    pub announced: bool,
    /// The message. It is empty while a task has it.
    pub message: Message,
    /// What settles it, until it is.
    delivery: Option<Delivery>,
    /// That it is worked on here, unless it is a copy of one that is.
    pub(crate) claim: Option<Claim>,
}

impl Held {
    /// The message that a panic dropped which was caught just now on this thread.
    pub(crate) fn wrecked() -> Option<Self> {
        WRECKED.take()
    }

    /// The routing key that its caller chose. What came down the delay ladder was put into its queue by name.
    pub(crate) fn routing_key(&self) -> &str {
        match &self.published_to {
            (exchange, _) if is_of_the_ladder(exchange) => &self.queue,
            (_, key) if key.is_empty() => &self.queue,
            (_, key) => plain_key(key),
        }
    }

    /// Acknowledges before the run. `false` when the connection is gone: the message will be handed out again, and must
    /// not be run here.
    pub(crate) async fn ack_early(&mut self) -> bool {
        self.renew();
        match self.delivery.take() {
            Some(delivery) => delivery.ack().await,
            None => true,
        }
    }

    /// Whether it is handed out again, whatever is done here.
    pub(crate) fn is_lost(&self) -> bool {
        self.delivery.as_ref().is_some_and(Delivery::is_lost)
    }

    /// Where the connection was lost and the message has come again since, it is settled by its new delivery.
    pub(crate) fn renew(&mut self) {
        if self.is_lost()
            && let Some(live) = self.claim.as_ref().and_then(Claim::live)
        {
            self.delivery = Some(live);
        }
    }

    /// Whether it was acknowledged before its run: nothing can go back to the queue.
    pub(crate) fn is_acked(&self) -> bool {
        self.delivery.is_none()
    }

    /// Takes it out of the queue, if it still is in it. When it comes again, because its ack was lost, it is not run.
    pub(crate) fn ack(mut self) -> impl Future<Output = ()> + Send + use<> {
        let again = self.claim.take().map(Claim::settled).unwrap_or_default();
        ack_all(self.delivery.take(), again)
    }

    /// The same for a message in whose place another was published that cannot be told from it.
    pub(crate) fn ack_replaced(mut self) -> impl Future<Output = ()> + Send + use<> {
        let again = self.claim.take().map(Claim::forgotten).unwrap_or_default();
        ack_all(self.delivery.take(), again)
    }

    /// Puts it back, for whichever worker comes next. `false` when it was acknowledged before its run and is gone.
    pub(crate) async fn requeue(mut self) -> bool {
        let again = self.claim.take().map(Claim::forgotten).unwrap_or_default();
        let deliveries: Vec<Delivery> = self.into_delivery().into_iter().chain(again).collect();
        let goes_back = !deliveries.is_empty();
        for delivery in deliveries {
            delivery.requeue().await;
        }
        goes_back
    }

    /// The delivery as it came, unless it is settled.
    pub(crate) fn into_delivery(mut self) -> Option<Delivery> {
        let mut delivery = self.delivery.take()?;
        (delivery.exchange, delivery.routing_key) = mem::take(&mut self.published_to);
        delivery.message = mem::take(&mut self.message);
        Some(delivery)
    }
}

/// Without the messages, for which each running task would keep room twice.
async fn ack_all(delivery: Option<Delivery>, again: Vec<Delivery>) {
    if let Some(delivery) = delivery {
        delivery.ack().await;
    }
    if !again.is_empty() {
        ack_each(again).boxed().await;
    }
}

async fn ack_each(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        delivery.ack().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.delivery.is_some() && thread::panicking() {
            let held = Self {
                queue: Arc::clone(&self.queue),
                published_to: mem::take(&mut self.published_to),
                redelivered: self.redelivered,
                announced: self.announced,
                message: mem::take(&mut self.message),
                delivery: self.delivery.take(),
                claim: self.claim.take(),
            };
            WRECKED.set(Some(held));
        }
    }
}

impl From<Delivery> for Held {
    fn from(mut delivery: Delivery) -> Self {
        let mut message = mem::take(&mut delivery.message);
        // Off: what comes of it, a retry for one, is received anew.
        let announced = message.headers.remove(ANNOUNCED_HEADER).is_some();
        Self {
            queue: Arc::clone(&delivery.queue),
            published_to: (mem::take(&mut delivery.exchange), mem::take(&mut delivery.routing_key)),
            redelivered: delivery.redelivered,
            announced,
            message,
            delivery: Some(delivery),
            claim: None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use postrider_core::broker::{Broker, MemoryBroker, Subscription};
    use postrider_core::shutdown::Shutdown;

    use super::*;

    /// A message that was taken from the queue `q` in memory.
    pub(crate) async fn taken(shutdown: &Shutdown) -> (Broker, MemoryBroker, Held) {
        let memory = MemoryBroker::new(shutdown);
        memory.declare("q", None);
        let broker = Broker::Memory(memory.clone());
        let message = Message { body: "hello".into(), ..Message::default() };
        broker.publish("q", &message).await.unwrap();
        let all = Subscription { queue: "q".into(), prefetch: 1, withheld: false };
        let held = Held::from(broker.consume(vec![all], shutdown).next().await.unwrap());
        (broker, memory, held)
    }

    #[tokio::test]
    async fn a_message_that_a_panic_drops_is_found_and_can_be_settled() {
        let shutdown = Shutdown::new();
        let (_broker, memory, held) = taken(&shutdown).await;
        let message = held.message.clone();

        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _held = held;
            panic!("on purpose");
        }));

        assert!(caught.is_err());
        let wrecked = Held::wrecked().unwrap();
        assert_eq!((&*wrecked.queue, &wrecked.message), ("q", &message));
        wrecked.ack().await;
        assert!(memory.is_drained(&[]) && Held::wrecked().is_none());
    }
}
