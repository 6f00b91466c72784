//! What is known of the queue that a message came from.

use postrider_core::broker::topology::returned;

use crate::app::WorkQueue;

/// The queues that a worker consumes from.
#[derive(Debug)]
pub(crate) struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    queue: WorkQueue,
    /// Where the broker gives its messages up to, if it does.
    returned: Option<String>,
}

impl Sources {
    pub(crate) fn new(queues: Vec<WorkQueue>) -> Self {
        let source = |queue: WorkQueue| {
            let returned = queue.returns.then(|| returned(&queue.name));
            Source { queue, returned }
        };
        Self(queues.into_iter().map(source).collect())
    }

    /// The names of all queues to consume from.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let work = self.0.iter().map(|source| source.queue.name.as_str());
        work.chain(self.0.iter().filter_map(|source| source.returned.as_deref()))
    }

    /// Whether a queue is ours.
    pub(crate) fn owned(&self, queue: &str) -> bool {
        self.0.iter().any(|source| source.queue.owned && source.queue.name == queue)
    }

    /// The work queue whose messages the broker gives up to this queue.
    pub(crate) fn returned_from(&self, queue: &str) -> Option<&str> {
        let is_its = |source: &&Source| source.returned.as_deref() == Some(queue);
        self.0.iter().find(is_its).map(|source| source.queue.name.as_str())
    }
}
