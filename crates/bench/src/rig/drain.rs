//! How fast a worker empties a full queue, read from the queue's length: from outside, in the same way for everybody.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::process::{self, Contender, Usage};
use super::queue::Watch;

/// How long nothing may leave the queue.
const PATIENCE: Duration = Duration::from_secs(30);

/// A queue that a worker empties.
pub(crate) struct Drain<'a> {
    pub(crate) watch: &'a Watch,
    pub(crate) queue: &'a str,
}

/// What was measured between two lengths of the queue.
pub(crate) struct Drained {
    /// Tasks a second.
    pub(crate) rate: f64,
    /// CPU time of the worker a task, in microseconds.
    pub(crate) cpu_micros: f64,
    /// The greater of the worker's memory at both ends, in MB.
    pub(crate) memory: f64,
}

/// Where the queue and the worker stood at one instant.
struct Mark {
    at: Instant,
    left: u64,
    usage: Usage,
}

impl Drain<'_> {
    /// Measures from `most` messages to `least`.
    pub(crate) async fn between(&self, worker: &Contender, most: u64, least: u64) -> anyhow::Result<Drained> {
        let begin = self.mark(worker, most).await?;
        let end = self.mark(worker, least).await?;
        #[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]
        let (tasks, memory) =
            ((begin.left - end.left) as f64, begin.usage.memory.max(end.usage.memory) as f64 / 1e6);
        Ok(Drained {
            rate: tasks / (end.at - begin.at).as_secs_f64(),
            cpu_micros: end.usage.cpu.saturating_sub(begin.usage.cpu).as_secs_f64() * 1e6 / tasks,
            memory,
        })
    }

    /// Lets the worker finish, and holds its count against the number of messages.
    pub(crate) async fn settle(&self, worker: Contender, count: u64) -> anyhow::Result<()> {
        self.mark(&worker, 0).await?;
        // What was handed out last is still being run; nobody says from outside when that is done.
        sleep(Duration::from_millis(500)).await;
        let output = worker.finish().await?;
        let left = self.watch.ready(self.queue).await?;
        anyhow::ensure!(left == 0, "{left} messages went back to the queue");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count was printed")]
        let executed = process::printed(&output, "executed")? as u64;
        anyhow::ensure!(executed == count, "{executed} tasks were run of {count}");
        Ok(())
    }

    /// Waits until at most so many messages lie ready.
    async fn mark(&self, worker: &Contender, at_most: u64) -> anyhow::Result<Mark> {
        let (mut least, mut since) = (u64::MAX, Instant::now());
        loop {
            let left = self.watch.ready(self.queue).await?;
            let at = Instant::now();
            if left <= at_most {
                return Ok(Mark { at, left, usage: worker.usage()? });
            }
            if left < least {
                (least, since) = (left, at);
            }
            anyhow::ensure!(at - since < PATIENCE, "{left} messages are left, and for long no fewer");
            sleep(Duration::from_millis(10)).await;
        }
    }
}
