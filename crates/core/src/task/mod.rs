//! What a task is, how it is run, and how it is called: the contract between the producer and the worker.
//!
//! [`Task`] is the payload and its options, which the producer needs. [`Run`], [`Compute`] and [`ComputeBlocking`] are
//! the behaviour, which only a worker links. A [`Registry`] finds the behaviour by the task's name, a [`Signature`] is
//! one call with its options, and a [`Context`] is what a running task knows of its call.

mod context;
mod each;
mod error;
mod job;
mod node;
mod options;
mod policy;
mod reason;
mod registry;
mod retry;
mod run;
mod signature;
mod soft_limit;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use context::Context;
pub use error::TaskError;
pub use job::{AsyncJob, BlockingJob, Job, JobFuture};
pub use node::Node;
pub use options::{LimitError, TaskOptions};
pub use policy::{AutoRetry, RetryPolicy};
pub use reason::Reason;
pub use registry::{Registered, Registry};
pub use retry::{Retry, Wait};
pub use run::{Compute, ComputeBlocking, Run, TaskResult};
pub use signature::{CallDefaults, KnownTasks, Signature};
pub use soft_limit::SoftLimit;

/// A task's payload: its arguments, its name and its options. Only the name is required.
///
/// Fields decode from Python's positional arguments in their order and from its keyword arguments by name. A payload
/// that serializes as a struct is sent as keyword arguments, one that serializes as a tuple as positional ones.
pub trait Task: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name that both sides know the task by, for example `shop.send_notice`.
    const NAME: &'static str;
    /// The queue that a call goes to unless it says otherwise.
    const QUEUE: &'static str = "celery";
    /// The message's priority, which a classic queue with `x-max-priority` heeds.
    const PRIORITY: Option<u8> = None;
    /// How long it waits before another try, and how often.
    const RETRY: RetryPolicy = RetryPolicy::exponential(Duration::from_secs(3)).max_retries(3);
    /// Which errors that come by `?` are tried again.
    const AUTORETRY: AutoRetry = AutoRetry::All;
    /// Whether the message is acknowledged after the run, so that a worker that dies loses nothing, or before it, so
    /// that what a worker dies in the midst of is not started again; a kill in its first few milliseconds, before the
    /// ack has left, may be the exception. A late one needs a hard limit of at most half the broker's consumer timeout.
    const ACKS_LATE: bool = true;
    /// Whether nobody asks for its result, so that none is stored.
    const IGNORE_RESULT: bool = false;
    /// How many may start in a worker, as Celery writes it: `"10/s"`, `"100/m"`, `"1/h"`.
    const RATE_LIMIT: Option<&'static str> = None;
    /// The hard limit of a run: it is ended, and the task has failed with `TimeLimitExceeded`. A call may ask for
    /// another. Without one, the worker's.
    const TIME_LIMIT: Option<Duration> = None;
    /// The soft limit of a run: see [`Context::soft_limit`]. A call may ask for another. Without one, the worker's.
    const SOFT_TIME_LIMIT: Option<Duration> = None;
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
