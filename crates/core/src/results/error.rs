//! Why a result cannot be kept, had or waited for.

use std::time::Duration;

use super::{Meta, State};
use crate::broker::PublishError;
use crate::celery::{ArgumentsError, Exception};
use crate::redis::StoreError;

/// Why a result cannot be kept or had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// No result backend is configured.
    #[error("no result backend is configured")]
    Off,
    /// Redis does not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The answer was not published.
    #[error("the answer was not sent: {0}")]
    Reply(#[from] PublishError),
    /// The queue of the caller is not there.
    #[error("nobody listens for the answer")]
    Unheard,
    /// What is kept is not JSON of Celery's form.
    #[error(
        "the result of the task {0} cannot be read: set result_serializer = 'json' and no result_compression"
    )]
    Unreadable(String),
    /// Only a process that waits for answers can be asked for what it was answered.
    #[error("this process does not wait for answers through rpc://")]
    NoReplyQueue,
    /// The broker did not give this process its queue for answers in time.
    #[error("the broker did not give a queue for answers within {0:?}")]
    NotListening(Duration),
    /// The members of a chord need a store that all of them see.
    #[error("the result backend does not support chords: use redis://")]
    NoChords,
}

/// Why there is no value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// The task has not come to its end yet.
    #[error("the task has not ended within {0:?}")]
    Timeout(Duration),
    /// The task failed.
    #[error("the task failed: {0}")]
    Failed(Box<Exception>),
    /// The task was taken back, or came too late.
    #[error("the task was revoked: {0}")]
    Revoked(Box<Exception>),
    /// The value is not of the type that was asked for. The text does not quote it.
    #[error("the task's value is of another type: {0}")]
    Value(#[source] ArgumentsError),
    /// The store cannot be asked.
    #[error(transparent)]
    Results(#[from] ResultError),
}

impl ResultError {
    /// Whether it may be otherwise in a moment.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Store(StoreError::Unavailable(_)) | Self::Unheard => true,
            Self::Reply(error) => !error.is_final(),
            _ => false,
        }
    }
}

impl WaitError {
    /// The exception of a task that has come to a bad end.
    pub fn of(meta: &Meta) -> Option<Self> {
        let exception = || {
            let odd = || Exception::new("Exception", "builtins", vec![meta.result.clone()]);
            Box::new(meta.exception().unwrap_or_else(odd))
        };
        match meta.state {
            State::Failure => Some(Self::Failed(exception())),
            State::Revoked => Some(Self::Revoked(exception())),
            _ => None,
        }
    }
}

#[cfg(test)]
impl ResultError {
    pub(super) fn down_for_tests() -> Self {
        Self::Store(StoreError::Unavailable("down".into()))
    }
}
