//! The soft time limit as a running task sees it.
//!
//! Celery raises `SoftTimeLimitExceeded` inside the task, wherever it is. A future cannot be interrupted between two
//! awaits, and a thread not at all, so that here the task chooses. One that has asked for its soft limit, by waiting for
//! it or by looking whether it has passed, is told and goes on until its hard limit. One that never asked is ended: it
//! has failed with `SoftTimeLimitExceeded`.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// Whether the soft time limit of a run has passed. Costs nothing until the task asks for it.
#[derive(Debug, Default)]
pub struct SoftLimit(OnceLock<CancellationToken>);

impl SoftLimit {
    /// Waits until the limit passes; for ever where there is none.
    pub async fn wait(&self) {
        self.token().cancelled().await;
    }

    /// Whether the limit has passed.
    pub fn has_passed(&self) -> bool {
        self.token().is_cancelled()
    }

    /// The limit passes now. Whether the task has ever asked for it, and so goes on.
    pub fn pass(&self) -> bool {
        let asked = self.0.get();
        if let Some(token) = asked {
            token.cancel();
        }
        asked.is_some()
    }

    fn token(&self) -> &CancellationToken {
        self.0.get_or_init(CancellationToken::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_task_that_asked_goes_on() {
        let (asked, silent) = (SoftLimit::default(), SoftLimit::default());

        assert!(!asked.has_passed());
        assert!(asked.pass() && !silent.pass());
        assert!(asked.has_passed());
        asked.wait().await;
    }
}
