//! How a run ends when it does not end well. Each variant says what is done next and at what level it is logged.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// Why a run ended without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskError {
    /// It may go better later: tried again by the task's retry policy, or after `after`. Logged at `warn`. When the
    /// retries are used up, the message goes to the dead-letter queue, at `error`.
    Retry {
        /// What went wrong, without secrets.
        reason: Reason,
        /// A wait that the other side asked for, instead of the policy's.
        after: Option<Duration>,
    },
    /// It will not go better: to the dead-letter queue. Logged at `error`.
    Fail(Reason),
    /// Not now, through nobody's fault: comes back after the wait, its retries unchanged. Logged at `debug`.
    Snooze(Duration),
    /// It may have happened and must not happen twice: reported and acknowledged. Logged at `error`.
    Unknown(Reason),
    /// Too late to be of use: counted and acknowledged. Logged at `warn`.
    Expired,
    /// The worker was told to stop at once: the message goes back to its queue. Logged at `info`.
    Interrupted,
}

/// A stable code for programs and a sentence for people. Neither may hold a code, a number or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// For programs and metrics: lower case, underscores.
    pub code: String,
    /// For people.
    pub detail: String,
    /// When what the task was for runs out, where the task knows it better than the message's headers.
    pub not_after: Option<Timestamp>,
}

impl TaskError {
    /// Tries again by the task's retry policy.
    pub fn retry(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Retry { reason: Reason::new(code, detail), after: None }
    }

    /// Gives up.
    pub fn fail(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Fail(Reason::new(code, detail))
    }
}

impl Reason {
    /// A reason from its two parts.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), not_after: None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl<E: std::error::Error> From<E> for TaskError {
    /// An error that nothing more is known about may pass, as any exception does in Celery's `autoretry_for`.
    fn from(error: E) -> Self {
        Self::retry("error", error.to_string())
    }
}
