//! The bounded pool: how many tasks run at once, and waiting until none does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Places for tasks. A place is taken before a message is, so that none waits inside the process.
#[derive(Debug)]
pub(crate) struct Pool {
    places: Arc<Semaphore>,
    running: TaskTracker,
}

/// A place in the pool. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Pool {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(concurrency)), running: TaskTracker::new() }
    }

    /// Waits for a free place.
    pub(crate) async fn place(&self) -> Place {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        Place(permit.expect("the semaphore is never closed"))
    }

    /// Runs a task in its place.
    pub(crate) fn run(&self, place: Place, task: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(async move {
            metrics::gauge!("postrider_tasks_running").increment(1.0);
            task.await;
            metrics::gauge!("postrider_tasks_running").decrement(1.0);
            drop(place);
        });
    }

    /// Waits until nothing runs, at most this long. `false` when something still does.
    pub(crate) async fn drained(&self, within: Duration) -> bool {
        self.running.close();
        tokio::time::timeout(within, self.running.wait()).await.is_ok()
    }

    /// How many tasks run now.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }
}
