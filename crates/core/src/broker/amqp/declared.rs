//! What has been made sure of on the broker, and what that says about the way to a queue. It grows while the process
//! runs: a queue may be added to a worker at any time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::super::topology::{Home, Topology};

/// How many queues outside of the topology are remembered. Their names come from messages, so that there is a bound.
const REMEMBERED: usize = 1024;

/// The topology with what is looked up for each publish.
#[derive(Debug)]
pub(super) struct Declared(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    topology: Arc<Topology>,
    exchanges: HashSet<String>,
    homes: HashMap<String, Home>,
    /// Queues that the delay ladder leads to.
    delayed: HashSet<String>,
    /// Queues outside of the topology that were reached through the default exchange.
    by_default: HashSet<String>,
}

impl Declared {
    pub(super) fn new(topology: Topology) -> Self {
        Self(RwLock::new(Index::of(topology)))
    }

    pub(super) fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.read().topology)
    }

    /// More is to be made sure of from now on.
    pub(super) fn extend(&self, more: Topology) {
        let mut index = self.write();
        let mut topology = Topology::clone(&index.topology);
        topology.extend(more);
        let by_default = std::mem::take(&mut index.by_default);
        *index = Index { by_default, ..Index::of(topology) };
    }

    /// Forgets what was found out beside the topology: queues may have been deleted while the connection was down.
    pub(super) fn forget(&self) {
        let mut index = self.write();
        *index = Index::of(Topology::clone(&index.topology));
    }

    pub(super) fn has_exchange(&self, exchange: &str) -> bool {
        self.read().exchanges.contains(exchange)
    }

    /// How a queue of the topology is reached; `None` for any other queue.
    pub(super) fn home(&self, queue: &str) -> Option<Home> {
        self.read().homes.get(queue).copied()
    }

    pub(super) fn is_delayed(&self, queue: &str) -> bool {
        self.read().delayed.contains(queue)
    }

    /// The delay ladder leads to this queue now.
    pub(super) fn delays(&self, queue: &str) {
        remember(&mut self.write().delayed, queue);
    }

    pub(super) fn goes_by_default(&self, queue: &str) -> bool {
        self.read().by_default.contains(queue)
    }

    /// This queue was reached through the default exchange.
    pub(super) fn went_by_default(&self, queue: &str) {
        remember(&mut self.write().by_default, queue);
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn of(topology: Topology) -> Self {
        Self {
            exchanges: topology.exchanges.iter().map(|exchange| exchange.name.clone()).collect(),
            homes: topology.homes().map(|(queue, home)| (queue.to_owned(), home)).collect(),
            delayed: topology.delayed().map(str::to_owned).collect(),
            by_default: HashSet::new(),
            topology: Arc::new(topology),
        }
    }
}

fn remember(names: &mut HashSet<String>, name: &str) {
    if names.len() >= REMEMBERED {
        names.clear();
    }
    names.insert(name.to_owned());
}

#[cfg(test)]
mod tests {
    use super::super::super::topology::QueueType;
    use super::*;

    #[test]
    fn a_queue_that_is_added_later_is_reached_as_those_of_the_start_are() {
        let declared = Declared::new(Topology::default().work_queue("sms", QueueType::Quorum));
        let more = Topology::default().foreign_queue("celery").delay_ladder(QueueType::Quorum, ["celery"]);

        assert_eq!((declared.home("sms"), declared.home("celery")), (Some(Home::Exchange), None));
        declared.extend(more);

        assert_eq!(
            (declared.home("sms"), declared.home("celery")),
            (Some(Home::Exchange), Some(Home::Exchange))
        );
        assert!(declared.has_exchange("celery") && declared.is_delayed("celery"));
        assert!(!declared.is_delayed("sms"));
    }

    #[test]
    fn names_that_messages_bring_are_forgotten_before_they_fill_the_memory() {
        let declared = Declared::new(Topology::default());

        for number in 0..=REMEMBERED {
            declared.went_by_default(&number.to_string());
        }

        assert!(declared.goes_by_default(&REMEMBERED.to_string()) && !declared.goes_by_default("0"));
    }
}
