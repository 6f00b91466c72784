//! The bounded pool: how many tasks run at once, and waiting until none does.
//!
//! A large pool opens over the first second. A worker that finds a full queue would else begin a thousand tasks in the
//! same instant: a thousand connections to the provider at once, and then again at each of its answers, because calls
//! that take equally long stay in step.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// How many places are open from the start.
const AT_ONCE: usize = 16;
/// In how many steps the others are opened, and the wait before each.
const STEPS: usize = 100;
const STEP: Duration = Duration::from_millis(10);

/// Places for tasks. A place is taken before a message is, so that none waits inside the process.
#[derive(Debug)]
pub(crate) struct Pool {
    places: Arc<Semaphore>,
    running: TaskTracker,
    /// Places that are not open yet.
    closed: usize,
}

/// A place in the pool. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Pool {
    /// A pool whose first places are open; [`Pool::open`] opens the others.
    pub(crate) fn new(concurrency: usize) -> Self {
        let first = concurrency.min(AT_ONCE);
        Self {
            places: Arc::new(Semaphore::new(first)),
            running: TaskTracker::new(),
            closed: concurrency - first,
        }
    }

    /// Opens the places that are closed, evenly over a second.
    pub(crate) async fn open(&self) {
        let mut tick = tokio::time::interval(STEP);
        for step in 0..STEPS {
            tick.tick().await;
            self.places.add_permits(opened(self.closed, step + 1) - opened(self.closed, step));
        }
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

/// How many of the closed places are open after so many steps.
fn opened(closed: usize, steps: usize) -> usize {
    closed * steps / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_pool_opens_evenly_and_to_its_full_size() {
        for closed in [0, 1, 84, 234, 984] {
            let steps: Vec<usize> =
                (0..STEPS).map(|step| opened(closed, step + 1) - opened(closed, step)).collect();

            assert_eq!(steps.iter().sum::<usize>(), closed);
            assert!(steps.iter().all(|step| *step <= closed.div_ceil(STEPS)), "{closed}: {steps:?}");
        }
    }
}
