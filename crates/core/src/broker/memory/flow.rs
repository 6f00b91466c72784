//! What one consumer takes messages from, and the task of each queue that hands them out.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::super::Subscription;
use super::super::consumers::Wanted;
use super::super::handover::{Handover, Pushed};
use super::MemoryBroker;
use crate::shutdown::Shutdown;

/// What one consumer takes messages from.
pub(super) struct Flow {
    broker: MemoryBroker,
    handover: Arc<Handover>,
    cancel: CancellationToken,
    shutdown: Shutdown,
    running: HashMap<String, CancellationToken>,
}

impl Flow {
    pub(super) fn new(
        broker: &MemoryBroker,
        handover: &Arc<Handover>,
        cancel: &CancellationToken,
        shutdown: &Shutdown,
    ) -> Self {
        Self {
            broker: broker.clone(),
            handover: Arc::clone(handover),
            cancel: cancel.clone(),
            shutdown: shutdown.clone(),
            running: HashMap::new(),
        }
    }

    /// Begins and ends with the queues that are wanted, until the consumer is cancelled.
    pub(super) async fn follow(mut self, wanted: Arc<Wanted>) {
        while !self.cancel.is_cancelled() {
            let (version, list) = (wanted.version(), wanted.list());
            self.running.retain(|queue, flow| {
                let kept = list.iter().any(|one| one.queue == *queue);
                if !kept {
                    flow.cancel();
                }
                kept
            });
            for Subscription { queue, .. } in list {
                if !self.running.contains_key(&queue) {
                    let flow = self.begin(&queue);
                    self.running.insert(queue, flow);
                }
            }
            wanted.followed(version);
            while wanted.version() == version && !self.cancel.is_cancelled() {
                wanted.changed.notified().await;
            }
        }
        self.running.values().for_each(CancellationToken::cancel);
    }

    fn begin(&self, queue: &str) -> CancellationToken {
        self.broker.declare_if_missing(queue);
        let flow = CancellationToken::new();
        let (broker, handover, ends) = (self.broker.clone(), Arc::clone(&self.handover), flow.clone());
        let queue = Arc::from(queue);
        self.shutdown.spawn(async move { broker.hand_out(&queue, &handover, &ends).await });
        flow
    }
}

impl MemoryBroker {
    async fn hand_out(&self, queue: &Arc<str>, handover: &Handover, cancel: &CancellationToken) {
        let arrived = self.lock().get(queue).map(|queue| Arc::clone(&queue.arrived)).unwrap_or_default();
        loop {
            // Room first: a message that is taken must not wait where a cancel would lose it.
            tokio::select! {
                () = cancel.cancelled() => return,
                () = handover.room() => {}
            }
            match self.next(queue).map(|delivery| handover.push(delivery)) {
                Some(Pushed::Closed(delivery)) => {
                    delivery.requeue().await;
                    return;
                }
                Some(_) => {}
                None => tokio::select! {
                    () = cancel.cancelled() => return,
                    () = arrived.notified() => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::message::Message;
    use super::*;

    fn from(queue: &str) -> Subscription {
        Subscription { queue: queue.into(), prefetch: 1, withheld: false }
    }

    async fn queue_of_next(consumer: &mut super::super::Consumer) -> String {
        let delivery = consumer.next().await.unwrap();
        let queue = delivery.queue.to_string();
        delivery.ack().await;
        queue
    }

    #[tokio::test]
    async fn queues_come_and_go_and_an_empty_one_does_not_starve_another() {
        let shutdown = Shutdown::new();
        let broker = MemoryBroker::new(&shutdown);
        broker.declare("a", None);
        let mut consumer = broker.consume(&[from("empty"), from("a")], &shutdown);
        let consumers = consumer.consumers();
        broker.publish("a", Message::default()).unwrap();
        assert_eq!(queue_of_next(&mut consumer).await, "a");

        assert!(consumers.add(from("b")).await);
        broker.publish("b", Message::default()).unwrap();
        assert_eq!(queue_of_next(&mut consumer).await, "b");

        assert!(consumers.cancel("a").await);
        broker.publish("a", Message::default()).unwrap();
        broker.publish("b", Message::default()).unwrap();
        assert_eq!(queue_of_next(&mut consumer).await, "b");
        assert_eq!(broker.depth("a"), Some(1));

        consumer.cancel().await;
        assert!(consumer.next().await.is_none());
    }

    #[tokio::test]
    async fn a_queue_that_is_withheld_keeps_its_messages_until_it_is_not() {
        let shutdown = Shutdown::new();
        let broker = MemoryBroker::new(&shutdown);
        broker.declare("a", None);
        broker.publish("a", Message::default()).unwrap();
        let mut consumer = broker.consume(&[Subscription { withheld: true, ..from("a") }], &shutdown);
        let consumers = consumer.consumers();

        assert!(consumers.add(from("b")).await, "the list has been followed");
        assert_eq!(broker.depth("a"), Some(1));
        consumers.withhold("a", false).await;

        assert_eq!(queue_of_next(&mut consumer).await, "a");
    }
}
