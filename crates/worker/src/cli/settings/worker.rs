//! `[worker]`: the process and its pool.

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use postrider_core::config::{ConfigError, duration_text};
use serde::{Deserialize, Serialize};

use super::limits::{AutoscaleChoice, PoolChoice};
use crate::cli::node_name;
use crate::{IntakeOptions, PoolKind, Prefetch, TimeLimits};

/// How many places the pool for asynchronous tasks has.
const ASYNC_PLACES: usize = 1000;
/// How many threads there are for each processor, as the tutorial's worker has them.
const THREADS_PER_CORE: usize = 4;

/// `[worker]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSection {
    name: String,
    pool: PoolChoice,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<usize>,
    autoscale: AutoscaleChoice,
    prefetch: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefetch_multiplier: Option<u16>,
    #[serde(with = "duration_text")]
    time_limit: Duration,
    #[serde(with = "duration_text")]
    soft_time_limit: Duration,
    stuck_threads: u32,
    retry_jitter: bool,
    #[serde(with = "duration_text")]
    drain_timeout: Duration,
    #[serde(with = "duration_text")]
    soft_shutdown_timeout: Duration,
    #[serde(with = "duration_text")]
    consumer_timeout: Duration,
    shared_queues: SharedQueues,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_file: Option<String>,
}

/// What is done about another program's queue whose workers have tasks that are not registered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum SharedQueues {
    Refuse,
    Accept,
}

impl WorkerSection {
    /// The node name.
    pub fn name(&self) -> String {
        node_name::of_worker(&self.name)
    }

    /// How long a cold stop waits for the tasks that run.
    pub fn soft_shutdown_timeout(&self) -> Duration {
        self.soft_shutdown_timeout
    }

    /// What differs from Celery's pool of that name, and which sizes count for nothing.
    pub(in crate::cli) fn pool_notes(&self) -> Vec<String> {
        let (solo, follows_load) = (self.pool.kind == PoolKind::Solo, self.autoscale.range.is_some());
        let one = solo.then_some("a solo pool has one place");
        let range = follows_load.then_some("--autoscale says how many tasks run at once");
        // What asks a solo pool for one place gets it.
        let given = |size: Option<usize>| size.is_some_and(|size| !solo || size > 1);
        let sizes = [
            ("-c (worker.concurrency)", given(self.concurrency), one.or(range)),
            ("--autoscale (worker.autoscale)", follows_load, one),
            ("worker.threads", given(self.threads), one),
        ];
        let ignored = sizes
            .into_iter()
            .filter_map(|(size, given, why)| Some(format!("{size}: ignored, {}", why.filter(|_| given)?)));
        self.pool.note().map(str::to_owned).into_iter().chain(ignored).collect()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.consumer_timeout < Duration::from_secs(1) {
            return Err(ConfigError::key("worker.consumer_timeout", "must be 1s or longer"));
        }
        if self.concurrency.is_some_and(|places| !(1..=100_000).contains(&places)) {
            return Err(ConfigError::key("worker.concurrency", "must be 1 to 100000"));
        }
        if self.threads.is_some_and(|threads| !(1..=10_000).contains(&threads)) {
            return Err(ConfigError::key("worker.threads", "must be 1 to 10000"));
        }
        if self.pool.kind == PoolKind::Threads && self.threads() > 10_000 {
            return Err(ConfigError::key("worker.concurrency", "must be 1 to 10000 for a pool of threads"));
        }
        Ok(())
    }

    /// Whether a soft stop has the time that it is given.
    pub(super) fn check_stop(&self) -> Result<(), ConfigError> {
        if self.drain_timeout.is_zero() || self.soft_shutdown_timeout <= self.drain_timeout {
            return Ok(());
        }
        let (soft, drain) = (self.soft_shutdown_timeout, self.drain_timeout);
        let problem =
            format!("{soft:?} would be cut to the drain_timeout of {drain:?}: raise that, or lower this");
        Err(ConfigError::key("worker.soft_shutdown_timeout", problem))
    }

    /// Sets how long a stop waits.
    #[cfg(test)]
    pub(super) fn stops_after(&mut self, drain: Duration, soft: Duration) {
        (self.drain_timeout, self.soft_shutdown_timeout) = (drain, soft);
    }

    /// Whether somebody chose the pool or its size. What "async" is by default cannot be told from what was chosen.
    pub(super) fn chooses_pool(&self) -> bool {
        self.pool != PoolChoice::unchosen() || self.concurrency.is_some() || self.autoscale.range.is_some()
    }

    /// The same with a pool of threads.
    pub(super) fn of_threads(&self) -> Self {
        let (pool, concurrency) = (PoolChoice::threads(), self.threads);
        Self { pool, concurrency, ..self.clone() }
    }

    pub(super) fn pool(&self) -> PoolKind {
        self.pool.kind
    }

    /// How many tasks run at once.
    pub(super) fn places(&self) -> usize {
        match self.pool.kind {
            PoolKind::Async => self.concurrency.unwrap_or(ASYNC_PLACES),
            PoolKind::Threads => self.concurrency.unwrap_or_else(threads),
            PoolKind::Solo => 1,
        }
    }

    /// How many blocking tasks run at once.
    pub(super) fn threads(&self) -> usize {
        match self.pool.kind {
            PoolKind::Async => self.threads.unwrap_or_else(threads),
            PoolKind::Threads => {
                let most = self.autoscale.range.map_or_else(|| self.places(), |range| range.max);
                self.threads.unwrap_or(most)
            }
            PoolKind::Solo => 1,
        }
    }

    pub(super) fn stuck_threads(&self) -> u32 {
        self.stuck_threads
    }

    pub(super) fn time_limits(&self) -> TimeLimits {
        let limit = |limit: Duration| (!limit.is_zero()).then_some(limit);
        TimeLimits { hard: limit(self.time_limit), soft: limit(self.soft_time_limit) }
    }

    pub(super) fn retry_jitter(&self) -> bool {
        self.retry_jitter
    }

    pub(super) fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    pub(super) fn state_file(&self) -> Option<PathBuf> {
        let path = self.state_file.as_ref().filter(|path| !path.is_empty())?;
        Some(node_name::in_path(path, &self.name()).into())
    }

    pub(super) fn intake(&self) -> IntakeOptions {
        IntakeOptions {
            consumer_timeout: self.consumer_timeout,
            refuse_shared: self.shared_queues == SharedQueues::Refuse,
            autoscale: self.autoscale.range.filter(|_| self.pool.kind != PoolKind::Solo),
            prefetch: match (self.prefetch_multiplier, self.prefetch) {
                (Some(times), _) => Prefetch::Times(times),
                (None, 0) => Prefetch::Eighth,
                (None, ahead) => Prefetch::Fixed(ahead),
            },
            ..IntakeOptions::default()
        }
    }
}

fn threads() -> usize {
    available_parallelism().map_or(1, usize::from) * THREADS_PER_CORE
}
