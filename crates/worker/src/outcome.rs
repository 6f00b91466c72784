//! How the end of a task is counted, logged and told.

use crate::attempt::Attempt;
use crate::disposition::Ended;

impl<S> Attempt<'_, S> {
    /// Counts the end for the metrics.
    pub(crate) fn count(&self, outcome: &'static str) {
        metrics::counter!("postrider_tasks_total", "task" => self.task.name(), "outcome" => outcome)
            .increment(1);
    }

    /// Tells tools that the task refused its message.
    pub(crate) fn refused(&self, requeue: bool) {
        if let Some(entry) = &self.entry {
            entry.rejected(requeue);
        }
    }

    /// Logs the end at its level and names it for the metrics.
    pub(crate) fn log(&self, ended: &Ended) -> &'static str {
        let (name, id) = (self.task.name(), self.headers.id.as_str());
        let duration_ms = || u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match ended {
            Ended::Succeeded(_) => {
                tracing::debug!(
                    task.name = name,
                    task.id = id,
                    duration_ms = duration_ms(),
                    "task succeeded"
                );
                "succeeded"
            }
            Ended::Ignored => {
                tracing::debug!(task.name = name, task.id = id, "task is done and wants no result");
                "ignored"
            }
            Ended::Expired => {
                tracing::warn!(
                    task.name = name,
                    task.id = id,
                    "task was not run: its end of life has passed"
                );
                "expired"
            }
            Ended::Unknown(reason) => {
                tracing::error!(task.name = name, task.id = id, %reason, "task may or may not have had its effect");
                "unknown"
            }
        }
    }
}
