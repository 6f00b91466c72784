//! What a task is, how it is run, and how it is called: the contract between the producer and the worker.
//!
//! [`Task`] is the payload and its options, which the producer needs. [`Run`] is the behaviour, which only a worker
//! links. A [`Registry`] finds the behaviour by the task's name, a [`Signature`] is one call with its options.

mod error;
mod registry;
mod retry;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{Reason, TaskError};
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
///
/// A task that returns a value implements [`Compute`] instead.
pub trait Run<S>: Task {
    /// Runs the task once. An error decides what comes next: see [`TaskError`].
    fn run(self, services: &S, context: &Context) -> impl Future<Output = TaskResult> + Send;

    /// Called instead of [`Run::run`] when the call's end of life has passed. Does nothing unless it is written.
    fn expired(self, services: &S, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (services, context);
        std::future::ready(())
    }
}

/// How a task is done that returns a value. Every [`Run`] is one, with the value `()`.
#[diagnostic::on_unimplemented(
    message = "the task `{Self}` cannot be run with the services `{S}`: write `impl Run<{S}> for {Self}`",
    label = "has no `impl Run<{S}>`"
)]
pub trait Compute<S>: Task {
    /// The value, which goes to the result backend.
    type Output: Serialize + Send;

    /// Runs the task once. An error decides what comes next: see [`TaskError`].
    fn compute(
        self,
        services: &S,
        context: &Context,
    ) -> impl Future<Output = TaskResult<Self::Output>> + Send;

    /// Called instead of [`Compute::compute`] when the call's end of life has passed. Does nothing unless it is written.
    fn expired(self, services: &S, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (services, context);
        std::future::ready(())
    }
}

impl<S: Sync, T: Run<S>> Compute<S> for T {
    type Output = ();

    fn compute(self, services: &S, context: &Context) -> impl Future<Output = TaskResult> + Send {
        self.run(services, context)
    }

    fn expired(self, services: &S, context: &Context) -> impl Future<Output = ()> + Send {
        Run::expired(self, services, context)
    }
}

/// What a run ends with: a value, or an error that says what comes next.
pub type TaskResult<T = ()> = Result<T, TaskError>;

/// The call that is being run.
#[derive(Debug, Clone)]
pub struct Context {
    /// The task id, the same through every retry.
    pub id: String,
    /// The queue that it came from.
    pub queue: Arc<str>,
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

impl Context {
    /// Whether an error that may pass would be the last one.
    pub fn is_last_try(&self) -> bool {
        self.retries >= self.max_retries
    }
}
