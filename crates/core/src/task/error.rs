//! How a run ends when it does not end well. Each variant says what is done next and at what level it is logged.

use std::fmt;
use std::time::Duration;

use super::reason::ERROR;
use super::{Reason, Retry};
use crate::celery::{Call, Exception};

/// Why a run ended without a value.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskError {
    /// An error that the task passes on with `?` and does not judge. Tried again if the task's
    /// [`AutoRetry`](super::AutoRetry) takes it, by default each; else as [`TaskError::Fail`].
    Raised(Reason),
    /// It may go better later: tried again by the task's retry policy, or after the wait that is asked for. Logged at
    /// `warn`. When the retries are used up, the task has failed, at `error`.
    Retry(Box<Retry>),
    /// It will not go better: the task has failed, and its message goes to the dead-letter queue unless the worker
    /// keeps none of failed tasks. Logged at `error`.
    Fail(Reason),
    /// Not now, through nobody's fault: comes back after the wait, its retries unchanged. Logged at `debug`.
    Snooze(Duration),
    /// It may have happened and must not happen twice: reported and acknowledged. Logged at `error`.
    Unknown(Reason),
    /// Celery's `Reject`: back to the queue for another worker, or else to the dead-letter queue. Logged at `warn`. A
    /// task that is acknowledged before its run cannot go back.
    Reject {
        /// Why.
        reason: Reason,
        /// Whether it goes back to its queue.
        requeue: bool,
    },
    /// Celery's `Ignore`: acknowledged, and no result is stored. Logged at `debug`.
    Ignore,
    /// Another task, a chain, a group or a chord takes the place of this one, its id, links and chain included. Logged
    /// at `debug`. [`Context::replace`](super::Context::replace) makes it.
    Replace(Box<Call>),
    /// Too late to be of use: counted and acknowledged. Logged at `warn`.
    Expired,
    /// The worker was told to stop at once: the message goes back to its queue. Logged at `info`.
    Interrupted,
}

impl TaskError {
    /// Tries again by the task's retry policy.
    pub fn retry(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Retry::by_policy().because(Reason::new(code, detail)).into()
    }

    /// Gives up.
    pub fn fail(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Fail(Reason::new(code, detail))
    }

    /// Raises an exception, which a Python client then sees, for example
    /// `Exception::new("ValueError", "builtins", vec!["bad code".into()])`. It is tried again where the task's
    /// [`AutoRetry::Only`](super::AutoRetry::Only) names its class; else the task has failed.
    pub fn raise(exception: Exception) -> Self {
        Self::Fail(exception.into())
    }

    /// Passes on an error of any kind as `?` does, one that is no [`std::error::Error`] itself included. A Python client
    /// sees an `Exception` with its text.
    ///
    /// ```
    /// # use postrider_core::task::{TaskError, TaskResult};
    /// # fn print() -> Result<(), Box<dyn std::error::Error>> { Err("no paper".into()) }
    /// # fn run() -> TaskResult {
    /// print().map_err(TaskError::raised)?;
    /// # Ok(())
    /// # }
    /// # assert!(matches!(run(), Err(TaskError::Raised(reason)) if reason.detail == "no paper"));
    /// ```
    pub fn raised(error: impl fmt::Display) -> Self {
        let text = error.to_string();
        Self::Raised(Reason::new(ERROR, text.clone()).with(Exception::builtin("Exception", text)))
    }

    /// Refuses the message: to the dead-letter queue, or with `requeue` back to where it came from.
    pub fn reject(code: impl Into<String>, detail: impl Into<String>, requeue: bool) -> Self {
        Self::Reject { reason: Reason::new(code, detail), requeue }
    }
}

impl From<Retry> for TaskError {
    fn from(retry: Retry) -> Self {
        Self::Retry(Box::new(retry))
    }
}

impl<E: std::error::Error> From<E> for TaskError {
    /// An error that nothing more is known about. A Python client sees an exception with the name of its type.
    fn from(error: E) -> Self {
        Self::Raised(Reason::of(&error))
    }
}
