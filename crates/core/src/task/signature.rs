//! One call of a task, with the options of the call.

use std::time::Duration;

use jiff::Timestamp;

use super::Task;

/// A task's payload and how it is to be called. Options that are not set come from the task.
#[derive(Debug, Clone)]
pub struct Signature<T> {
    pub(crate) payload: T,
    pub(crate) id: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) countdown: Option<Duration>,
    pub(crate) expires: Option<Timestamp>,
}

impl<T: Task> Signature<T> {
    /// A call with the task's own options.
    pub fn new(payload: T) -> Self {
        Self { payload, id: None, queue: None, countdown: None, expires: None }
    }

    /// The task id, instead of a fresh UUID. Two calls with one id are one task to whoever keeps records by id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Another queue than the task's.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// A wait of at least this long before it runs; fractions of a second are rounded up.
    #[must_use]
    pub fn countdown(mut self, delay: Duration) -> Self {
        self.countdown = Some(delay);
        self
    }

    /// The instant after which it is not worth running.
    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }
}

impl<T: Task> From<T> for Signature<T> {
    fn from(payload: T) -> Self {
        Self::new(payload)
    }
}
