//! The states of a task, by Celery's names.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How far a task has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing is known of it: it waits, or there never was such a task.
    Pending,
    /// A worker has it. Events know this state, results do not.
    Received,
    /// It runs.
    Started,
    /// It returned a value.
    Success,
    /// It failed for good.
    Failure,
    /// It failed and will be tried again.
    Retry,
    /// It was taken back, or came too late.
    Revoked,
    /// Its message was refused. Events know this state, results do not.
    Rejected,
    /// It asked that nothing be said of it.
    Ignored,
    /// A state of the task's own, such as `PROGRESS`.
    Custom(Box<str>),
}

impl State {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Received => "RECEIVED",
            Self::Started => "STARTED",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Retry => "RETRY",
            Self::Revoked => "REVOKED",
            Self::Rejected => "REJECTED",
            Self::Ignored => "IGNORED",
            Self::Custom(name) => name,
        }
    }

    /// Whether nothing comes after it, so that whoever waits for the task need not wait any more.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Revoked)
    }

    /// Whether the result that goes with it is an exception.
    pub fn is_exception(&self) -> bool {
        matches!(self, Self::Retry | Self::Failure | Self::Revoked)
    }

    /// Whether what depends on the task fails with it.
    pub fn propagates(&self) -> bool {
        matches!(self, Self::Failure | Self::Revoked)
    }

    /// Whether the worker tells it on the way, so that a task need not be held up by a store that does not answer. A state
    /// of the task's own is waited for: without it the task has failed.
    pub fn is_passing(&self) -> bool {
        !self.is_ready() && !matches!(self, Self::Retry | Self::Custom(_))
    }

    /// Whether a revoke that nobody waits for may be written over it: no worker has begun the task.
    pub fn is_unstarted(&self) -> bool {
        matches!(self, Self::Pending | Self::Received | Self::Retry | Self::Rejected)
    }
}

impl From<&str> for State {
    fn from(name: &str) -> Self {
        match name {
            "PENDING" => Self::Pending,
            "RECEIVED" => Self::Received,
            "STARTED" => Self::Started,
            "SUCCESS" => Self::Success,
            "FAILURE" => Self::Failure,
            "RETRY" => Self::Retry,
            "REVOKED" => Self::Revoked,
            "REJECTED" => Self::Rejected,
            "IGNORED" => Self::Ignored,
            other => Self::Custom(other.into()),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_it_is_written_and_others_keep_their_name() {
        let all = [
            State::Pending,
            State::Received,
            State::Started,
            State::Success,
            State::Failure,
            State::Retry,
            State::Revoked,
            State::Rejected,
            State::Ignored,
            State::Custom("PROGRESS".into()),
        ];
        for state in all {
            assert_eq!(State::from(state.as_str()), state);
            assert_eq!(state.is_ready(), ["SUCCESS", "FAILURE", "REVOKED"].contains(&state.as_str()));
            assert_eq!(state.is_exception(), ["RETRY", "FAILURE", "REVOKED"].contains(&state.as_str()));
            assert_eq!(state.propagates(), ["FAILURE", "REVOKED"].contains(&state.as_str()));
        }
    }
}
