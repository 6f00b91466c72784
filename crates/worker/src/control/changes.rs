//! Changes of what is consumed, worked off one after the other: a queue that clients add and cancel ends as the last of
//! them asked.

use postrider_core::shutdown::Shutdown;
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::capacity::Capacity;
use crate::consumers::{AddQueue, WorkQueues};

/// How many changes wait: more come only while the broker is away.
const WAITING: usize = 256;

/// Takes in what clients ask for.
#[derive(Debug)]
pub(crate) struct Changes(Sender<Change>);

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// One queue more.
    Add(AddQueue),
    /// One queue less.
    Cancel(String),
}

impl Changes {
    /// Works them off in the background, until the soft stop.
    pub(crate) fn follow(queues: WorkQueues, capacity: Capacity, shutdown: &Shutdown) -> Self {
        let (asked, waiting) = mpsc::channel(WAITING);
        let stop = shutdown.soft().clone();
        shutdown.spawn(async move {
            stop.run_until_cancelled(work_off(waiting, queues, capacity)).await;
        });
        Self(asked)
    }

    /// Does not wait for it.
    pub(super) fn ask(&self, change: Change) {
        if let Err(error) = self.0.try_send(change) {
            tracing::error!(%error, "the queues stay as they are: too many changes wait for the broker");
        }
    }
}

async fn work_off(mut waiting: Receiver<Change>, queues: WorkQueues, capacity: Capacity) {
    while let Some(change) = waiting.recv().await {
        match change {
            Change::Add(asked) => {
                if let Err(error) = queues.add(&asked, capacity.prefetch()).await {
                    tracing::error!(queue.name = %asked.queue, %error, "a queue is not consumed that remote control asked for");
                }
            }
            Change::Cancel(queue) => {
                queues.cancel(&queue).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use postrider_core::broker::{Broker, MemoryBroker};

    use super::*;
    use crate::capacity::Prefetch;
    use crate::pool::Pool;
    use crate::sources::Sources;

    #[tokio::test]
    async fn a_queue_ends_as_the_last_asked() {
        let shutdown = Shutdown::new();
        let broker = Broker::Memory(MemoryBroker::new(&shutdown));
        let consumer = broker.consume(Vec::new(), &shutdown);
        let consumers = consumer.consumers();
        let capacity =
            Capacity::new(Arc::new(Pool::new(1)), consumers.clone(), Prefetch::default(), None, None);
        let queues = WorkQueues::new(broker, consumers.clone(), Sources::new(Vec::new()), None, Vec::new());
        let changes = Changes::follow(queues, capacity, &shutdown);
        let add = |queue: &str| Change::Add(AddQueue::plain(queue));

        for change in [add("a"), Change::Cancel("a".into()), Change::Cancel("b".into()), add("b")] {
            changes.ask(change);
        }

        let waiting = async {
            while !consumers.consumes("b") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("it is consumed");
        assert!(!consumers.consumes("a"));
    }
}
