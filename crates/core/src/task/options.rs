//! A task's options without its type, as a worker looks them up.

use std::time::Duration;

use super::{AutoRetry, RetryPolicy, Task};

/// The options of a task: what its type says, unless the worker was told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskOptions {
    /// How long it waits before another try, and how often.
    pub retry: RetryPolicy,
    /// Which errors that come by `?` are tried again.
    pub autoretry: AutoRetry,
    /// Whether it is acknowledged after its run.
    pub acks_late: bool,
    /// Whether its result is stored.
    pub ignore_result: bool,
    /// How many may start in a worker, as Celery writes it.
    pub rate_limit: Option<&'static str>,
    /// The hard limit of a run.
    pub time_limit: Option<Duration>,
    /// The soft limit of a run.
    pub soft_time_limit: Option<Duration>,
    /// Whether its arguments must not be shown.
    pub sensitive: bool,
}

/// A task whose hard limit does not go with its late acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the task {task} is acknowledged after its run, and may run for {limit:?}: the broker takes a message back after \
     {consumer_timeout:?}. Give it TIME_LIMIT of at most {:?}, or ACKS_LATE = false",
    .consumer_timeout.div_f64(2.0)
)]
pub struct LimitError {
    /// The task's name.
    pub task: &'static str,
    /// Its hard limit.
    pub limit: Duration,
    /// How long the broker waits for an acknowledgement.
    pub consumer_timeout: Duration,
}

impl TaskOptions {
    /// The options that a task's type gives it.
    pub const fn of<T: Task>() -> Self {
        Self {
            retry: T::RETRY,
            autoretry: T::AUTORETRY,
            acks_late: T::ACKS_LATE,
            ignore_result: T::IGNORE_RESULT,
            rate_limit: T::RATE_LIMIT,
            time_limit: T::TIME_LIMIT,
            soft_time_limit: T::SOFT_TIME_LIMIT,
            sensitive: T::SENSITIVE,
        }
    }

    /// Refuses a late acknowledgement with a hard limit above half of what the broker waits for one. The other half is
    /// for the wait before the run: a message is taken before its place is free.
    pub fn check(&self, task: &'static str, consumer_timeout: Duration) -> Result<(), LimitError> {
        match self.time_limit {
            Some(limit) if self.acks_late && limit > consumer_timeout / 2 => {
                Err(LimitError { task, limit, consumer_timeout })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Plain;

    impl Task for Plain {
        const NAME: &'static str = "plain";
    }

    #[test]
    fn a_late_ack_needs_a_hard_limit_of_at_most_half_the_consumer_timeout() {
        let half_an_hour = Duration::from_mins(30);
        let with = |minutes, acks_late| {
            let time_limit = Some(Duration::from_mins(minutes));
            TaskOptions { acks_late, time_limit, ..TaskOptions::of::<Plain>() }.check("plain", half_an_hour)
        };

        assert!(with(15, true).is_ok() && with(16, false).is_ok());
        let refused = with(16, true).unwrap_err().to_string();
        assert!(refused.contains("the task plain") && refused.contains("ACKS_LATE = false"), "{refused}");
    }

    #[test]
    fn a_task_that_names_only_itself_has_the_defaults() {
        let options = TaskOptions::of::<Plain>();

        assert!(options.acks_late && !options.ignore_result && !options.sensitive);
        assert_eq!((options.time_limit, options.rate_limit, options.autoretry), (None, None, AutoRetry::All));
    }
}
