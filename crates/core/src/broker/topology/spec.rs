//! A work queue as its settings describe it: whose it is, how it keeps messages, and where they come from.

use super::super::message::{Table, Value};
use super::{Binding, Destination, ExchangeKind, QueueType, Topology, returned};

/// A work queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSpec {
    /// Its name.
    pub name: String,
    /// How it keeps messages. Another program's queue is taken as it is; this is how it is created where it is missing.
    pub kind: QueueType,
    /// Whether it is ours: declared with our arguments, which are insisted on.
    pub owned: bool,
    /// The highest priority that it tells apart. Only classic queues have any.
    pub max_priority: Option<u8>,
    /// Where messages come from beside the exchange of the queue's own name.
    pub bindings: Vec<Bound>,
}

/// A binding of a queue to an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The exchange.
    pub exchange: String,
    /// How it routes, where it has to be created.
    pub kind: ExchangeKind,
    /// The routing key, or a pattern on a topic exchange.
    pub key: String,
    /// What a headers exchange compares with a message's headers. Without any it would send the queue all messages.
    pub arguments: Table,
}

impl Bound {
    /// A binding by a key.
    pub fn new(exchange: impl Into<String>, kind: ExchangeKind, key: impl Into<String>) -> Self {
        Self { exchange: exchange.into(), kind, key: key.into(), arguments: Table::new() }
    }
}

impl QueueSpec {
    /// A quorum queue of ours.
    pub fn owned(name: &str) -> Self {
        Self {
            name: name.into(),
            kind: QueueType::Quorum,
            owned: true,
            max_priority: None,
            bindings: Vec::new(),
        }
    }

    /// Another program's queue, created where it is missing as Celery does it.
    pub fn foreign(name: &str) -> Self {
        Self { kind: QueueType::Classic, owned: false, ..Self::owned(name) }
    }

    /// Whether the broker gives up messages to `<queue>.returned`.
    pub fn returns(&self) -> bool {
        self.owned && self.kind == QueueType::Quorum
    }

    /// Whether it asks for priorities that its type does not have.
    pub fn priority_is_ignored(&self) -> bool {
        self.max_priority.is_some() && self.kind == QueueType::Quorum
    }

    /// All queues that a worker takes from for it.
    pub fn sources(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.name.clone()).chain(self.returns().then(|| returned(&self.name)))
    }
}

impl Topology {
    /// A work queue with its bindings, and for another program's queue the one for what nobody here can run.
    #[must_use]
    pub fn queue(mut self, spec: &QueueSpec) -> Self {
        let QueueSpec { name, kind, owned, max_priority, bindings } = spec;
        // Before the queue's own layout, which would make the exchange of its name a direct one.
        for Bound { exchange, kind, .. } in bindings {
            self.add_exchange(exchange, *kind, *owned);
        }
        self = if *owned {
            self.work_queue(name, *kind)
        } else {
            self.foreign_queue(name).unclaimed_queue(name)
        };
        let queue = self.queues.iter_mut().find(|queue| queue.name == *name).expect("added just now");
        match kind {
            QueueType::Classic => {
                if let Some(highest) = max_priority {
                    queue.arguments.insert("x-max-priority".into(), Value::I32((*highest).into()));
                }
            }
            QueueType::Quorum => {
                queue.arguments.entry("x-queue-type".into()).or_insert_with(|| "quorum".into());
            }
        }
        for Bound { exchange, key, arguments, .. } in bindings {
            self.add_binding(Binding {
                source: exchange.clone(),
                destination: Destination::Queue(name.clone()),
                key: key.clone(),
                arguments: arguments.clone(),
            });
        }
        self.celery_delays([spec], [spec])
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Home, unclaimed};
    use super::*;

    fn arguments(topology: &Topology, queue: &str) -> Vec<String> {
        let queue = topology.queues.iter().find(|found| found.name == queue).unwrap();
        queue.arguments.keys().cloned().collect()
    }

    #[test]
    fn a_classic_queue_has_its_priorities_and_a_quorum_queue_has_none() {
        let classic = QueueSpec { max_priority: Some(9), ..QueueSpec::foreign("celery") };
        let quorum = QueueSpec { max_priority: Some(9), ..QueueSpec::owned("sms") };

        let topology = Topology::default().queue(&classic).queue(&quorum);

        assert_eq!(arguments(&topology, "celery"), ["x-max-priority"]);
        assert!(!arguments(&topology, "sms").contains(&"x-max-priority".into()));
        assert_eq!((classic.priority_is_ignored(), quorum.priority_is_ignored()), (false, true));
        assert!(arguments(&topology, &unclaimed("celery")).is_empty());
    }

    #[test]
    fn a_queue_on_an_exchange_of_a_shop_keeps_a_way_of_its_own() {
        let bound = |exchange: &str, kind| Bound::new(exchange, kind, "news.#");
        let shop =
            QueueSpec { bindings: vec![bound("shop", ExchangeKind::Topic)], ..QueueSpec::foreign("q") };
        let fan =
            QueueSpec { bindings: vec![bound("fan", ExchangeKind::Fanout)], ..QueueSpec::foreign("fan") };

        let topology = Topology::default().queue(&shop).queue(&fan);

        let keys: Vec<_> = topology.bindings.iter().map(|b| (b.source.as_str(), b.key.as_str())).collect();
        assert!(keys.contains(&("shop", "news.#")) && keys.contains(&("q", "q")), "{keys:?}");
        let homes: Vec<_> = topology.homes().collect();
        assert!(homes.contains(&("q", Home::Exchange)), "{homes:?}");
        assert!(
            homes.contains(&("fan", Home::Default)),
            "a fanout exchange leads to other queues too: {homes:?}"
        );
    }
}
