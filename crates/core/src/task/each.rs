//! `celery.map` and `celery.starmap`, which every Celery worker has: one task for each item of a list, in one run.
//!
//! Their arguments and values are those of the task that they name, which may be a sensitive one, or one that nobody knows
//! here: they are never shown.

use std::collections::HashMap;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AsyncJob, AutoRetry, BlockingJob, Job, Task};
use crate::celery::{Arguments, ArgumentsError, Call};

/// Reads the arguments of one task.
pub(super) type Decode<S> = fn(Arguments) -> Result<Job<S>, ArgumentsError>;
/// What reads the arguments of each task, by the tasks' names.
pub(super) type Decoders<S> = HashMap<&'static str, Decode<S>>;

/// The payload of both: in `celery.starmap` each item is a list of arguments.
#[derive(Serialize, Deserialize)]
pub(super) struct Each<const STAR: bool> {
    /// The task; its own arguments do not count.
    task: Call,
    it: Vec<Value>,
}

impl Task for Each<false> {
    const NAME: &'static str = "celery.map";
    const AUTORETRY: AutoRetry = AutoRetry::Nothing;
    const SENSITIVE: bool = true;
}

impl Task for Each<true> {
    const NAME: &'static str = "celery.starmap";
    const AUTORETRY: AutoRetry = AutoRetry::Nothing;
    const SENSITIVE: bool = true;
}

impl<const STAR: bool> Each<STAR> {
    /// The calls as one job. The first that fails ends it.
    pub(super) fn job<S: Send + Sync + 'static>(
        self,
        decoders: &Decoders<S>,
    ) -> Result<Job<S>, ArgumentsError> {
        let decode = decoders.get(self.task.task.as_str()).ok_or_else(|| {
            ArgumentsError::custom("the task to be called for each item is not registered here")
        })?;
        let arguments = |item: Value| match item {
            Value::Array(args) if STAR => Arguments { args, ..Arguments::default() },
            item => Arguments { args: vec![item], ..Arguments::default() },
        };
        let (mut waiting, mut blocking) = (Vec::new(), Vec::new());
        for item in self.it {
            match decode(arguments(item))? {
                Job::Async(job) => waiting.push(job),
                Job::Blocking(job) => blocking.push(job),
            }
        }
        // A task is always of one kind.
        Ok(if blocking.is_empty() {
            Job::Async(AsyncJob::each(waiting))
        } else {
            Job::Blocking(BlockingJob::each(blocking))
        })
    }
}
