//! How long a run may take: the call's own limits, those that were set by remote control, the task's, the worker's.
//!
//! Each of the two limits is looked for by itself, in this order. Whatever is found, a task that is acknowledged after
//! its run ends within half the broker's consumer timeout: beyond the whole of it the broker closes the channel and
//! hands out every message on it again.
//!
//! Of the consumer timeout a message may wait an eighth for a place and an eighth for a thread, before it goes back; its run
//! has half. A quarter is left for what has to be done before and after, such as publishing what follows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use postrider_core::task::TaskOptions;

/// How long a message may wait in this process for one thing, a place or a thread, before it goes back.
pub(crate) fn wait(consumer_timeout: Duration) -> Duration {
    consumer_timeout / 8
}

/// The two limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeLimits {
    /// It is ended, and has failed.
    pub hard: Option<Duration>,
    /// It is told, or ended where it does not listen.
    pub soft: Option<Duration>,
}

/// The limits of a worker's runs.
#[derive(Debug)]
pub struct Limits {
    of_worker: TimeLimits,
    /// What a task that is acknowledged after its run may take at the most.
    late: Duration,
    wait: Duration,
    set: RwLock<HashMap<String, TimeLimits>>,
    /// Whether anything was ever set: spares the lock.
    any_set: AtomicBool,
}

impl Limits {
    /// The limits of a worker whose broker waits so long for an acknowledgement.
    pub fn new(of_worker: TimeLimits, consumer_timeout: Duration) -> Self {
        Self {
            of_worker,
            late: consumer_timeout / 2,
            wait: wait(consumer_timeout),
            set: RwLock::default(),
            any_set: AtomicBool::new(false),
        }
    }

    /// Sets a task's limits from now on, as the remote control's `time_limit` does. A limit that is `None` is the
    /// worker's again, not the task's.
    pub fn set(&self, task: &str, limits: TimeLimits) {
        self.set.write().unwrap_or_else(PoisonError::into_inner).insert(task.to_owned(), limits);
        self.any_set.store(true, Ordering::Release);
    }

    /// How long a message may wait for a thread.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.wait
    }

    /// The limits of one run. `asked` is what the call asks for.
    pub(crate) fn of(&self, task: &str, options: &TaskOptions, asked: TimeLimits) -> TimeLimits {
        let own = self
            .set_for(task)
            .unwrap_or(TimeLimits { hard: options.time_limit, soft: options.soft_time_limit });
        if options.acks_late
            && let Some(limit) = asked.hard.or(own.hard).filter(|limit| *limit > self.late)
        {
            tracing::warn!(
                task.name = task,
                "the time limit of {limit:?} is cut to {:?}, half the consumer timeout",
                self.late
            );
        }
        let hard = asked.hard.or(own.hard).or(self.of_worker.hard);
        let hard =
            if options.acks_late { Some(hard.map_or(self.late, |hard| hard.min(self.late))) } else { hard };
        let soft = asked.soft.or(own.soft).or(self.of_worker.soft);
        TimeLimits { hard, soft: soft.filter(|soft| hard.is_none_or(|hard| *soft < hard)) }
    }

    fn set_for(&self, task: &str) -> Option<TimeLimits> {
        if !self.any_set.load(Ordering::Acquire) {
            return None;
        }
        self.set.read().unwrap_or_else(PoisonError::into_inner).get(task).copied()
    }
}

#[cfg(test)]
mod tests {
    use postrider_core::task::Task;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Long;

    impl Task for Long {
        const NAME: &'static str = "long";
        const TIME_LIMIT: Option<Duration> = Some(Duration::from_secs(40));
        const ACKS_LATE: bool = false;
    }

    fn limits(hard: impl Into<Option<u64>>, soft: impl Into<Option<u64>>) -> TimeLimits {
        TimeLimits { hard: hard.into().map(Duration::from_secs), soft: soft.into().map(Duration::from_secs) }
    }

    #[test]
    fn the_call_comes_before_what_was_set_and_that_before_the_task_and_the_worker() {
        let of_worker = Limits::new(limits(60, 50), Duration::from_mins(30));
        let options = TaskOptions::of::<Long>();

        assert_eq!(of_worker.of("long", &options, limits(None, None)), limits(40, None));
        assert_eq!(of_worker.of("long", &options, limits(90, 5)), limits(90, 5));
        of_worker.set("long", limits(30, 20));
        assert_eq!(of_worker.of("long", &options, limits(None, None)), limits(30, 20));
        of_worker.set("long", limits(None, None));
        assert_eq!(of_worker.of("long", &options, limits(None, None)), limits(60, 50));
    }

    #[test]
    fn a_late_ack_ends_within_half_the_consumer_timeout_whatever_is_asked_for() {
        let none = Limits::new(TimeLimits::default(), Duration::from_mins(2));
        let late = TaskOptions { acks_late: true, time_limit: None, ..TaskOptions::of::<Long>() };
        let early = TaskOptions { acks_late: false, ..late };

        assert_eq!(none.of("long", &late, limits(None, None)), limits(60, None));
        assert_eq!(none.of("long", &late, limits(3600, 90)), limits(60, None));
        assert_eq!(none.of("long", &early, limits(3600, 90)), limits(3600, 90));
        assert_eq!(none.of("long", &early, limits(None, None)), limits(None, None));
    }
}
