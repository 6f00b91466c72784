//! How a worker works: everything that an operator chooses and a task does not.

use std::thread::available_parallelism;
use std::time::Duration;

use postrider_core::canvas::Accumulate;
use postrider_core::clock::Clock;
use postrider_core::routes::Route;
use postrider_core::task::Task as _;
use serde_json::{Map, Value};

use crate::control::ControlOptions;
use crate::intake::IntakeOptions;
use crate::limits::TimeLimits;

/// How long the tasks have to give up after the hard stop.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(5);
/// How many threads for blocking tasks there are for each processor, as the tutorial's worker has them.
const THREADS_PER_CORE: usize = 4;

/// A queue that a worker consumes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkQueue {
    /// Its name.
    pub name: String,
    /// Whether it is ours. On another program's queue, tasks that are not registered here are forwarded to
    /// `<queue>.unclaimed`, and nothing is declared but what is missing.
    pub owned: bool,
    /// Whether the broker gives up messages to `<queue>.returned`, as it does for our quorum queues. They are taken from
    /// there, counted or sealed into the dead-letter queue.
    pub returns: bool,
}

/// Where tasks run, as tools see it. Blocking tasks run on threads in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PoolKind {
    /// Many at once, that wait most of the time.
    #[default]
    Async,
    /// As many as there are threads.
    Threads,
    /// One after the other.
    Solo,
}

/// How a worker works. `Options { name, queues, ..Options::default() }` is a working one.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its node name, as `w1@host`.
    pub name: String,
    /// What it consumes from.
    pub queues: Vec<WorkQueue>,
    /// What its pool is for.
    pub pool: PoolKind,
    /// The queues of the tasks that its tasks enqueue, by their names; the first one that fits counts.
    pub routes: Vec<Route>,
    /// How many tasks run at once.
    pub concurrency: usize,
    /// How messages are taken in. Of its consumer timeout, a task that is acknowledged after its run has half.
    pub intake: IntakeOptions,
    /// How many blocking tasks run at once, each on a thread; by default four for each processor.
    pub threads: usize,
    /// How many threads may be stuck, because their tasks passed a time limit and cannot be stopped, before the worker
    /// finishes what runs and ends, for a fresh process to take its place. 0 is any number.
    pub most_stuck_threads: u32,
    /// The time limits of tasks that have none of their own.
    pub time_limits: TimeLimits,
    /// Draws every wait before a retry evenly between zero and the policy's, as Celery's `retry_jitter` does; a task's
    /// own policy may ask for it too.
    pub retry_jitter: bool,
    /// Whether the message of a task that failed goes to the dead-letter queue. Celery drops it. What cannot be read, or
    /// is of a task that nobody here knows, is kept there in any case.
    pub dead_letters: bool,
    /// How many messages the dead-letter queue keeps; counts what it drops.
    pub dead_max_length: u64,
    /// How long running tasks may go on after the soft stop; zero is without a bound, as with Celery.
    pub drain_timeout: Duration,
    /// How it takes part in remote control and events.
    pub control: ControlOptions,
    /// The settings that remote control shows, by Celery's names, secrets starred.
    pub shown_settings: Map<String, Value>,
    /// The time.
    pub clock: Clock,
}

impl PoolKind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Threads => "threads",
            Self::Solo => "solo",
        }
    }
}

impl Options {
    /// The routes, and one to itself for what every worker has: whoever asks for it here is to find it.
    pub(crate) fn all_routes(&self) -> Vec<Route> {
        let own = self.queues.iter().find(|queue| queue.owned).or(self.queues.first());
        let accumulate = own.map(|queue| Route::to_queue(Accumulate::NAME, queue.name.as_str()));
        self.routes.iter().cloned().chain(accumulate).collect()
    }

    /// The longest that a stop takes: the drain, what was given up, and the connections. `None` where the drain has no
    /// bound.
    pub fn stops_within(&self) -> Option<Duration> {
        let drain = Some(self.drain_timeout).filter(|drain| !drain.is_zero())?;
        Some(drain + GIVE_UP + GIVE_UP)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "postrider".into(),
            queues: Vec::new(),
            routes: Vec::new(),
            pool: PoolKind::default(),
            concurrency: 1000,
            intake: IntakeOptions::default(),
            threads: available_parallelism().map_or(1, usize::from) * THREADS_PER_CORE,
            most_stuck_threads: 10,
            time_limits: TimeLimits::default(),
            retry_jitter: false,
            dead_letters: true,
            dead_max_length: 100_000,
            drain_timeout: Duration::from_secs(25),
            control: ControlOptions::default(),
            shown_settings: Map::new(),
            clock: Clock::System,
        }
    }
}
