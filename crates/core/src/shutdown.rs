//! Stopping a process in two steps: softly, finishing what runs, then at once.
//!
//! The first SIGTERM or SIGINT asks for the soft stop, the second for the hard one. Every spawned task is on the tracker,
//! so that a drain can wait for all of them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The two stop tokens and the tracker of a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
    restarts: Arc<AtomicBool>,
    tracker: TaskTracker,
}

impl Shutdown {
    /// Nothing is asked to stop yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process should finish what runs and end.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when the process should end at once. Implies the soft stop.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Asks for the soft stop.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Asks for the hard stop.
    pub fn stop_now(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Asks for the soft stop, and for the same program to be started anew in this process's place.
    pub fn restart(&self) {
        self.restarts.store(true, Ordering::SeqCst);
        self.soft.cancel();
    }

    /// Whether the program is to be started anew after the stop.
    pub fn is_restart(&self) -> bool {
        self.restarts.load(Ordering::SeqCst)
    }

    /// What was asked for is a stop after all: nothing is started anew.
    pub fn forget_restart(&self) {
        self.restarts.store(false, Ordering::SeqCst);
    }

    /// Runs a task that the drain waits for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// Waits until every tracked task has ended, at most this long. `false` when some still run.
    pub async fn drained(&self, within: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }

    /// Turns SIGTERM and SIGINT into stops.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let this = self.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "it waits for signals as long as the process lives; no drain may wait for it"
        )]
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = term.recv() => "SIGTERM",
                    _ = int.recv() => "SIGINT",
                };
                if this.soft.is_cancelled() {
                    tracing::warn!(signal = name, "stopping at once: asked to stop a second time");
                    this.stop_now();
                } else {
                    tracing::info!(
                        signal = name,
                        "stopping: finishing what runs; a second signal stops at once"
                    );
                    this.stop();
                }
            }
        });
        Ok(())
    }
}
