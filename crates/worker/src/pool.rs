//! The bounded pool: how many tasks run at once, and waiting until none does.
//!
//! A large pool opens over the first second. A worker that finds a full queue would else begin a thousand tasks in the
//! same instant: a thousand connections to the provider at once, and then again at each of its answers, because calls
//! that take equally long stay in step.
//!
//! It may grow and shrink while it works. Only places that are free are taken away: what runs is never disturbed.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
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
    size: Mutex<Size>,
}

/// How large a pool is.
#[derive(Debug)]
struct Size {
    /// All places.
    places: usize,
    /// Those among them that are not open yet.
    closed: usize,
}

/// A place in the pool. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Why a pool does not get smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShrinkError {
    /// A task runs in every place that is left.
    #[error("Can't shrink pool. All processes busy!")]
    Busy,
    /// A pool without a place would take nothing any more, and grow no more by itself.
    #[error("Can't shrink pool. One process is the least!")]
    Least,
}

impl Pool {
    /// A pool whose first places are open; [`Pool::open`] opens the others.
    pub(crate) fn new(concurrency: usize) -> Self {
        let first = concurrency.min(AT_ONCE);
        Self {
            places: Arc::new(Semaphore::new(first)),
            running: TaskTracker::new(),
            size: Mutex::new(Size { places: concurrency, closed: concurrency - first }),
        }
    }

    /// Opens the places that are closed, evenly over a second.
    pub(crate) async fn open(&self) {
        let all = self.lock().closed;
        let mut tick = tokio::time::interval(STEP);
        for step in 0..STEPS {
            tick.tick().await;
            let mut size = self.lock();
            // Some may have been taken away meanwhile.
            let now = size.closed.min(opened(all, step + 1) - opened(all, step));
            size.closed -= now;
            self.places.add_permits(now);
        }
    }

    /// Adds places.
    pub(crate) fn grow(&self, count: usize) {
        let mut size = self.lock();
        // The semaphore's own bound is far beyond what any machine can run.
        let count = count.min(Semaphore::MAX_PERMITS / 2 - size.places.min(Semaphore::MAX_PERMITS / 2));
        size.places += count;
        self.places.add_permits(count);
    }

    /// Takes places away, one by one. Those that were free until one was not stay away, as Celery's do.
    pub(crate) fn shrink(&self, count: usize) -> Result<(), ShrinkError> {
        let mut size = self.lock();
        for _ in 0..count {
            if size.places <= 1 {
                return Err(ShrinkError::Least);
            }
            if size.closed > 0 {
                size.closed -= 1;
            } else {
                self.places.try_acquire().map_err(|_| ShrinkError::Busy)?.forget();
            }
            size.places -= 1;
        }
        Ok(())
    }

    /// How many places it has.
    pub(crate) fn size(&self) -> usize {
        self.lock().places
    }

    /// Waits for a free place.
    pub(crate) async fn place(&self) -> Place {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        Place(permit.expect("the semaphore is never closed"))
    }

    /// Runs a task in its place.
    pub(crate) fn run(&self, place: Place, task: impl Future<Output = ()> + Send + 'static) {
        metrics::gauge!("postrider_tasks_running").increment(1.0);
        // Not an async block around it, which would keep room for the task twice.
        self.running.spawn(task.map(move |()| {
            metrics::gauge!("postrider_tasks_running").decrement(1.0);
            drop(place);
        }));
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

    fn lock(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[tokio::test]
    async fn a_pool_shrinks_by_its_free_places_only_and_keeps_one() {
        let pool = Pool::new(3);
        let (first, _second) = (pool.place().await, pool.place().await);

        assert_eq!(pool.shrink(2), Err(ShrinkError::Busy));
        assert_eq!(pool.size(), 2, "the free one is gone");
        drop(first);
        assert_eq!(pool.shrink(1), Ok(()));
        assert_eq!(pool.shrink(1), Err(ShrinkError::Least));
        assert_eq!(pool.places.available_permits(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_opens_can_be_made_smaller_and_larger_meanwhile() {
        let pool = Pool::new(116);
        let changed = async {
            // Virtual time.
            tokio::time::sleep(STEP * 10).await;
            pool.shrink(50).unwrap();
            pool.grow(4);
        };
        tokio::join!(pool.open(), changed);

        assert_eq!((pool.size(), pool.places.available_permits()), (70, 70));
    }
}
