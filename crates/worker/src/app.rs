//! The engine's wiring: consume, run in the pool, take part in remote control, drain when asked to stop.

mod assembly;

use std::sync::Arc;
use std::time::Duration;

use postrider_core::broker::{Broker, Liveness};
use postrider_core::results::{ResultOptions, Results};
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::{LimitError, Registered, Registry};
use tokio_util::sync::CancellationToken;

use crate::blocking::Threads;
use crate::control::{self, Prepared};
use crate::limits::Limits;
use crate::observer::{Observer, Tracker};
use crate::options::GIVE_UP;
pub(crate) use crate::options::{Options, WorkQueue};
use crate::rate_limit::{Rate, RateError, RateLimits};
use crate::revoked::StateFileError;
use crate::sources::Sources;

/// A worker: tasks, the services they share, and a broker to consume from.
pub struct Worker<S> {
    registry: Registry<S>,
    services: Arc<S>,
    broker: Broker,
    options: Options,
    keys: Option<KeyRing>,
    results: Results,
    result_options: ResultOptions,
    rates: Arc<RateLimits>,
    limits: Arc<Limits>,
    observer: Observer,
    prepared: Prepared,
}

/// Why a worker cannot be made of these tasks and options.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A task may run for too long.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A task's rate limit cannot be read.
    #[error("the rate limit {rate:?} of the task {task} cannot be read: {error}")]
    Rate {
        /// The task's name.
        task: &'static str,
        /// What it says.
        rate: &'static str,
        /// What is wrong with it.
        error: RateError,
    },
    /// The file with what is revoked cannot be used.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
}

impl<S: Send + Sync + 'static> Worker<S> {
    /// A worker that runs these tasks with these services. It keeps no results, and dead letters as they came.
    pub fn new(
        registry: Registry<S>,
        services: Arc<S>,
        broker: Broker,
        options: Options,
    ) -> Result<Self, WorkerError> {
        let consumer_timeout = options.intake.consumer_timeout;
        registry.check(consumer_timeout)?;
        tell_cut(&registry, options.time_limits.hard, consumer_timeout);
        let registry = registry.with_builtins();
        let rates = RateLimits::default();
        for task in registry.tasks() {
            if let Some(rate) = task.options().rate_limit {
                let read = Rate::parse(rate);
                let read = read.map_err(|error| WorkerError::Rate { task: task.name(), rate, error })?;
                rates.set(task.name(), read);
            }
        }
        let (observer, prepared) =
            control::prepare(&options.name, &options.control, &registry.names(), &options.clock)?;
        Ok(Self {
            limits: Arc::new(Limits::new(options.time_limits, consumer_timeout)),
            registry,
            services,
            broker,
            options,
            keys: None,
            results: Results::None,
            result_options: ResultOptions::default(),
            rates: Arc::new(rates),
            observer,
            prepared,
        })
    }

    /// Seals dead letters with these keys.
    #[must_use]
    pub fn keys(self, keys: KeyRing) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// Stores results there.
    #[must_use]
    pub fn results(self, results: Results, result_options: ResultOptions) -> Self {
        Self { results, result_options, ..self }
    }

    /// What is here now.
    pub(crate) fn tracker(&self) -> Tracker {
        self.observer.tracker.clone()
    }

    /// How it works.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Works until the soft stop, then finishes what runs. `false` when it should not have stopped, or not so: the drain
    /// took too long and tasks had to be given back, the consumer ended by itself, or too many threads are stuck.
    pub async fn run(self, shutdown: &Shutdown) -> bool {
        self.run_watched(shutdown, |_| ()).await
    }

    /// The same, and hands out what tells whether the broker sends it messages.
    pub async fn run_watched(self, shutdown: &Shutdown, watch: impl FnOnce(Liveness)) -> bool {
        tracing::info!(
            worker.name = %self.options.name,
            concurrency = self.options.concurrency,
            tasks = %self.registry.names().join(","),
            "worker starts"
        );
        let (broker, drain_timeout) = (self.broker.clone(), self.options.drain_timeout);
        let worn = CancellationToken::new();
        stop_when_worn(&worn, shutdown);
        let sources = Sources::new(self.options.queues.clone());
        let (most, most_stuck) = (self.options.threads.max(1), self.options.most_stuck_threads);
        let threads = Threads::new(most, most_stuck, worn.clone());
        let intake = self.intake(&sources, &threads, shutdown);
        watch(intake.liveness());
        let pool = Arc::clone(&intake.pool);
        let levers = self.levers(&intake, shutdown);
        let (prepared, executor) = self.executor(sources, shutdown, threads);
        let control = prepared.attend(&broker, Arc::new(levers), shutdown);
        let executor = Arc::new(executor);
        // On the runtime's own threads: a caller's `block_on` is another one, to wake it costs more than a small task.
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the soft stop and is waited for right here"
        )]
        let taking_in = tokio::spawn(intake.run(shutdown.soft().clone(), move |delivery| {
            let executor = Arc::clone(&executor);
            async move { executor.execute(delivery).await }
        }));
        let (mut consumer, gave_up) = taking_in.await.expect("it does not panic and is not aborted");
        consumer.cancel().await;
        tracing::info!(
            running = pool.running(),
            "worker drains: it takes nothing more and finishes what runs"
        );
        let drained = tokio::select! {
            // First, because tasks that are given back leave the pool empty too.
            biased;
            () = shutdown.hard().cancelled() => false,
            drained = pool.drained(bounded(drain_timeout)) => drained,
        };
        if !drained {
            tracing::warn!(running = pool.running(), "worker gives running tasks back to their queues");
            shutdown.stop_now();
            pool.drained(GIVE_UP).await;
        }
        control.close();
        consumer.close();
        broker.close();
        shutdown.drained(GIVE_UP).await;
        tracing::info!("worker has stopped");
        drained && !gave_up && !worn.is_cancelled()
    }
}

/// The worker's limit may be longer than what a task has that is acknowledged after its run.
fn tell_cut<S: Send + Sync + 'static>(
    registry: &Registry<S>,
    limit: Option<Duration>,
    consumer_timeout: Duration,
) {
    let Some(limit) = limit.filter(|limit| *limit > consumer_timeout / 2) else { return };
    let options = |name: &&str| registry.get(name).map(Registered::options);
    let is_cut = |name: &&str| options(name).is_some_and(|task| task.acks_late && task.time_limit.is_none());
    let cut: Vec<&str> = registry.names().into_iter().filter(is_cut).collect();
    if !cut.is_empty() {
        tracing::warn!(
            tasks = %cut.join(","),
            "these tasks end after {:?}, half the consumer timeout, and not after the time limit of {limit:?}: raise the \
             consumer timeout here and in the broker, or let them be acknowledged before their run",
            consumer_timeout / 2
        );
    }
}

/// Zero is without a bound: as long as a timer can be set for.
fn bounded(drain_timeout: Duration) -> Duration {
    if drain_timeout.is_zero() { Duration::MAX } else { drain_timeout }
}

/// Too many threads are stuck: what runs is finished, and another process is to take this one's place.
fn stop_when_worn(worn: &CancellationToken, shutdown: &Shutdown) {
    let (worn, stopping) = (worn.clone(), shutdown.clone());
    shutdown.spawn(async move {
        tokio::select! {
            // First, because a stop at once gives up the threads of all blocking tasks, and is no new start for that.
            biased;
            () = stopping.soft().cancelled() => {}
            () = worn.cancelled() => {
                tracing::error!("worker ends: too many blocking tasks cannot be stopped");
                stopping.restart();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use postrider_core::broker::MemoryBroker;
    use postrider_core::task::{Context, Run, Task, TaskResult};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Long {}

    impl Task for Long {
        const NAME: &'static str = "long";
        const TIME_LIMIT: Option<Duration> = Some(Duration::from_mins(20));
    }

    impl Run<()> for Long {
        async fn run(self, _services: &(), _context: &Context) -> TaskResult {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_stop_at_once_is_no_new_start_although_it_gives_up_many_threads() {
        // Without an order, half of them would start anew.
        for _ in 0..64 {
            let (worn, shutdown) = (CancellationToken::new(), Shutdown::new());
            stop_when_worn(&worn, &shutdown);

            shutdown.stop_now();
            worn.cancel();

            assert!(shutdown.drained(Duration::from_secs(5)).await);
            assert!(!shutdown.is_restart());
        }
    }

    #[tokio::test]
    async fn a_task_that_is_acked_late_and_may_take_more_than_half_the_consumer_timeout_is_refused() {
        let broker = Broker::Memory(MemoryBroker::new(&Shutdown::new()));
        let tasks = || Registry::new().register::<Long>();

        let refused = Worker::new(tasks(), Arc::new(()), broker.clone(), Options::default()).err();
        assert!(matches!(refused, Some(WorkerError::Limit(_))), "{refused:?}");
        let early = tasks().configure::<Long>(|options| options.acks_late = false);
        assert!(Worker::new(early, Arc::new(()), broker, Options::default()).is_ok());
    }
}
