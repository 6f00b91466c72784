//! A gate that tasks stand at: a test knows how many have come to it, and lets so many on.

use std::time::Duration;

use tokio::{runtime::Handle, sync::Semaphore};

/// Far above what it takes to begin, for a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

/// Shut until the test releases somebody. Shared between a worker's tasks and the test.
#[derive(Debug)]
pub struct Gate {
    begun: Semaphore,
    go: Semaphore,
}

impl Default for Gate {
    /// A gate that is shut, and that nobody has come to.
    fn default() -> Self {
        Self { begun: Semaphore::new(0), go: Semaphore::new(0) }
    }
}

impl Gate {
    /// For a task: says that it has begun.
    pub fn begin(&self) {
        self.begun.add_permits(1);
    }

    /// For a task: says that it has begun, and waits until it may go on.
    pub async fn pass(&self) {
        self.begin();
        self.go.acquire().await.expect("no semaphore is closed").forget();
    }

    /// [`Gate::pass`] for a task on a thread of its own.
    pub fn pass_blocking(&self) {
        Handle::current().block_on(self.pass());
    }

    /// Waits until so many more have begun.
    pub async fn begun(&self, count: u32) {
        let begun = tokio::time::timeout(SOON, self.begun.acquire_many(count)).await;
        begun.expect("they begin in time").expect("no semaphore is closed").forget();
    }

    /// How many have begun that were not waited for.
    pub fn begun_beside(&self) -> usize {
        self.begun.available_permits()
    }

    /// Lets so many on, those that come later too.
    pub fn release(&self, count: usize) {
        self.go.add_permits(count);
    }

    /// Whether all that were released have gone on.
    pub fn has_let_all_on(&self) -> bool {
        self.go.available_permits() == 0
    }
}
