//! What is known of the queue that a message came from.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use postrider_core::broker::topology::returned;

use crate::options::WorkQueue;

/// The queues that a worker consumes from, or did: of a queue that was cancelled, messages may still be in hand.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sources(Arc<RwLock<Vec<Source>>>);

#[derive(Debug)]
struct Source {
    queue: WorkQueue,
    /// Where the broker gives its messages up to, if it does.
    returned: Option<String>,
}

impl Sources {
    pub(crate) fn new(queues: Vec<WorkQueue>) -> Self {
        Self(Arc::new(RwLock::new(queues.into_iter().map(Source::from).collect())))
    }

    /// One more queue, or other knowledge of one.
    pub(crate) fn add(&self, queue: WorkQueue) {
        let mut sources = self.0.write().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source| source.queue.name != queue.name);
        sources.push(queue.into());
    }

    /// Whether a queue is ours.
    pub(crate) fn owned(&self, queue: &str) -> bool {
        self.read().iter().any(|source| source.queue.owned && source.queue.name == queue)
    }

    /// The work queue whose messages the broker gives up to this queue.
    pub(crate) fn returned_from(&self, queue: &str) -> Option<String> {
        let is_its = |source: &&Source| source.returned.as_deref() == Some(queue);
        self.read().iter().find(is_its).map(|source| source.queue.name.clone())
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Source>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<WorkQueue> for Source {
    fn from(queue: WorkQueue) -> Self {
        let returned = queue.returns.then(|| returned(&queue.name));
        Self { queue, returned }
    }
}
