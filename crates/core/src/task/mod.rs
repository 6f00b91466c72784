//! What a task is, how it is run, and how it is called: the contract between the producer and the worker.
//!
//! [`Task`] is the payload and its options, which the producer needs. [`Run`] is the behaviour, which only a worker
//! links. A [`Registry`] finds the behaviour by the task's name, a [`Signature`] is one call with its options.

mod error;
mod registry;
mod retry;
mod signature;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::TaskError;
pub use registry::{Job, Registered, Registry};
pub use retry::RetryPolicy;
pub use signature::Signature;

/// A task's payload: its arguments, its name and its options. Only the name is required.
///
/// Fields decode from Python's positional arguments in their order and from its keyword arguments by name. A payload
/// that serializes as a struct is sent as keyword arguments, one that serializes as a tuple as positional ones.
pub trait Task: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name that both sides know the task by, for example `shop.send_notice`.
    const NAME: &'static str;
    /// The queue that a call goes to unless it says otherwise.
    const QUEUE: &'static str = "celery";
    /// What happens after an error that may pass.
    const RETRY: RetryPolicy = RetryPolicy::exponential(Duration::from_secs(3)).max_retries(3);
    /// Whether the arguments hold something that tools and logs must not show.
    const SENSITIVE: bool = false;

    /// This call with a wait before it: at least this long.
    fn countdown(self, delay: Duration) -> Signature<Self>
    where
        Self: Sized,
    {
        Signature::new(self).countdown(delay)
    }
}

/// How a task is done, given the services that the worker was started with.
#[diagnostic::on_unimplemented(
    message = "the task `{Self}` cannot be run with the services `{S}`: write `impl Run<{S}> for {Self}`"
)]
pub trait Run<S>: Task {
    /// Runs the task once. An error decides what comes next: see [`TaskError`].
    fn run(self, services: &S, context: &Context) -> impl Future<Output: Outcome> + Send;
}

/// What [`Run::run`] ends with: a value, or an error that says what comes next.
pub type TaskResult<T = ()> = Result<T, TaskError>;

/// A [`TaskResult`] of some serializable value. It is sealed in effect: nothing else implements it.
pub trait Outcome: Send {
    /// The value as JSON, as a result backend would store it.
    fn into_json(self) -> Result<serde_json::Value, TaskError>;
}

impl<T: Serialize + Send> Outcome for TaskResult<T> {
    fn into_json(self) -> Result<serde_json::Value, TaskError> {
        let value = self?;
        serde_json::to_value(value)
            .map_err(|error| TaskError::fail("unserializable_result", error.to_string()))
    }
}

/// The call that is being run.
#[derive(Debug, Clone)]
pub struct Context {
    /// The task id, the same through every retry.
    pub id: String,
    /// The queue that it came from.
    pub queue: String,
    /// How many times it was retried before.
    pub retries: u32,
    /// How many retries the task's policy allows.
    pub max_retries: u32,
    /// The end of life that the caller set, if any.
    pub expires: Option<Timestamp>,
    /// How many times the message came back from the dead-letter queue by an operator's hand.
    pub replays: u32,
    /// When this run began.
    pub now: Timestamp,
}
