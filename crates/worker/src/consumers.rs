//! The queues that a worker takes tasks from, and changing them while it works.

use std::sync::Arc;

use postrider_core::broker::topology::{Bound, ExchangeKind, QueueSpec, QueueType, Topology, unusable};
use postrider_core::broker::{Broker, Consumers, Delivery, Subscription, TopologyError};

use crate::options::WorkQueue;
use crate::shared_queue::SharedQueues;
use crate::sources::Sources;

/// The queues of a worker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct WorkQueues {
    broker: Broker,
    consumers: Consumers,
    sources: Sources,
    /// Those of other programs, where their other workers matter.
    shared: Option<SharedQueues>,
    known: Arc<[QueueSpec]>,
}

/// A queue that is to be consumed from, as the remote control's `add_consumer` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddQueue {
    /// Its name.
    pub queue: String,
    /// The exchange that it is bound to; by default one of its own name.
    pub exchange: Option<String>,
    /// How that exchange routes.
    pub exchange_type: Option<ExchangeKind>,
    /// The key that it is bound by; by default its own name.
    pub routing_key: Option<String>,
    /// How it keeps messages, where it has to be created.
    pub kind: QueueType,
    /// The highest priority that it tells apart, where it has to be created.
    pub max_priority: Option<u8>,
}

/// Why a queue is not consumed from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddQueueError {
    /// Its name is one of ours, or too long.
    #[error("the queue {0} {1}")]
    Unusable(String, &'static str),
    /// The broker does not have it and cannot create it.
    #[error(transparent)]
    Broker(#[from] TopologyError),
}

impl AddQueue {
    /// Of its name alone, as Celery makes one that nobody described.
    #[cfg(test)]
    pub(crate) fn plain(queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            exchange: None,
            exchange_type: None,
            routing_key: None,
            kind: QueueType::Classic,
            max_priority: None,
        }
    }

    /// Another program's queue.
    fn spec(&self) -> QueueSpec {
        let key = || self.routing_key.clone().unwrap_or_else(|| self.queue.clone());
        let exchange = self.exchange.clone().filter(|exchange| !exchange.is_empty());
        let plain = exchange.is_none() && self.routing_key.is_none() && self.exchange_type.is_none();
        let bound = (!plain).then(|| {
            let exchange = exchange.unwrap_or_else(|| self.queue.clone());
            Bound::new(exchange, self.exchange_type.unwrap_or_default(), key())
        });
        QueueSpec {
            kind: self.kind,
            max_priority: self.max_priority,
            bindings: bound.into_iter().collect(),
            ..QueueSpec::foreign(&self.queue)
        }
    }
}

impl WorkQueues {
    /// `known` describes queues that may be asked for by their name alone.
    pub(crate) fn new(
        broker: Broker,
        consumers: Consumers,
        sources: Sources,
        shared: Option<SharedQueues>,
        known: Vec<QueueSpec>,
    ) -> Self {
        Self { broker, consumers, sources, shared, known: known.into() }
    }

    /// Takes tasks from one more queue, which is created where it is missing. One that is consumed from already stays as
    /// it is.
    pub(crate) async fn add(&self, asked: &AddQueue, prefetch: u16) -> Result<(), AddQueueError> {
        let name = &asked.queue;
        if self.consumers.consumes(name) {
            return Ok(());
        }
        if let Some(reason) = unusable(name) {
            return Err(AddQueueError::Unusable(name.clone(), reason));
        }
        let spec =
            self.known.iter().find(|known| known.name == *name).cloned().unwrap_or_else(|| asked.spec());
        let topology = Topology::default().queue(&spec).celery_delays([&spec], self.known.iter());
        self.broker.extend(topology).await?;
        self.sources.add(WorkQueue { name: name.clone(), owned: spec.owned, returns: spec.returns() });
        let shared = self.shared.as_ref().filter(|_| !spec.owned);
        for queue in spec.sources() {
            self.consumers.add(Subscription { queue, prefetch, withheld: shared.is_some() }).await;
        }
        if let Some(shared) = shared {
            shared.add(name);
        }
        tracing::info!(queue.name = %name, "consuming from one more queue");
        Ok(())
    }

    /// Takes no more tasks from a queue. `false` when it took none.
    pub(crate) async fn cancel(&self, queue: &str) -> bool {
        if let Some(shared) = &self.shared {
            shared.remove(queue);
        }
        let cancelled = self.consumers.cancel(queue).await;
        if cancelled {
            tracing::info!(queue.name = %queue, "consuming from a queue has ended");
        }
        cancelled
    }

    /// Looks at the messages that wait in this process for their place in the pool.
    pub(crate) fn look<T>(&self, see: impl FnMut(&Delivery) -> Option<T>) -> Vec<T> {
        self.consumers.look(see)
    }

    /// What tasks are taken from now, described as far as it is known: without what the broker gave up.
    pub(crate) fn active(&self) -> Vec<QueueSpec> {
        let described = |queue: String| {
            let known = self.known.iter().find(|known| known.name == queue).cloned();
            known.unwrap_or_else(|| QueueSpec::foreign(&queue))
        };
        let consumed = self.consumers.list().into_iter().map(|one| one.queue);
        consumed.filter(|queue| self.sources.returned_from(queue).is_none()).map(described).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_nobody_described_is_made_as_celery_makes_it() {
        let plain = AddQueue::plain("q");
        let bound = AddQueue {
            exchange: Some("shop".into()),
            exchange_type: Some(ExchangeKind::Topic),
            routing_key: Some("news.#".into()),
            ..plain.clone()
        };
        let quorum = AddQueue { kind: QueueType::Quorum, ..plain.clone() };
        let urgent = AddQueue { max_priority: Some(9), ..plain.clone() };
        let typed = AddQueue { exchange_type: Some(ExchangeKind::Fanout), ..plain.clone() };
        let one = |exchange: &str, kind, key: &str| vec![Bound::new(exchange, kind, key)];

        let foreign = QueueSpec::foreign("q");
        assert_eq!(plain.spec(), foreign);
        assert_eq!(quorum.spec(), QueueSpec { kind: QueueType::Quorum, ..foreign.clone() });
        assert_eq!(urgent.spec(), QueueSpec { max_priority: Some(9), ..foreign });
        assert_eq!(bound.spec().bindings, one("shop", ExchangeKind::Topic, "news.#"));
        assert_eq!(typed.spec().bindings, one("q", ExchangeKind::Fanout, "q"));
    }
}
