//! The engine's wiring: consume, run in the pool, drain when asked to stop.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::broker::topology::returned;
use postrider_core::broker::{Broker, Subscription};
use postrider_core::clock::Clock;
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::Registry;

use crate::execute::Executor;
use crate::pool::Pool;
use crate::settle::Settler;

/// How long the tasks have to give up after the hard stop.
const GIVE_UP: Duration = Duration::from_secs(5);

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

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its node name, as `w1@host`.
    pub name: String,
    /// What it consumes from.
    pub queues: Vec<WorkQueue>,
    /// How many tasks run at once.
    pub concurrency: usize,
    /// How many messages the broker hands out ahead, a queue; the concurrency by default.
    pub prefetch: Option<u16>,
    /// Draws every wait before a retry evenly between zero and the policy's, as Celery's `retry_jitter` does; a task's
    /// own policy may ask for it too.
    pub retry_jitter: bool,
    /// How long running tasks may go on after the soft stop.
    pub drain_timeout: Duration,
    /// How many messages the dead-letter queue keeps; counts what it drops.
    pub dead_max_length: u64,
}

/// A worker: tasks, the services they share, and a broker to consume from.
pub struct Worker<S> {
    /// What it can run.
    pub registry: Registry<S>,
    /// What the tasks share.
    pub services: Arc<S>,
    /// Where the messages come from and go on to.
    pub broker: Broker,
    /// Seals dead letters; without keys they are kept as they came.
    pub keys: Option<KeyRing>,
    /// How it works.
    pub options: Options,
    /// The time.
    pub clock: Clock,
}

impl<S: Send + Sync + 'static> Worker<S> {
    /// Works until the soft stop, then finishes what runs. `false` when the drain took too long and tasks had to be
    /// given back.
    pub async fn run(self, shutdown: &Shutdown) -> bool {
        let Self { registry, services, broker, keys, options, clock } = self;
        tracing::info!(
            worker.name = %options.name, concurrency = options.concurrency, tasks = %registry.names().join(","),
            "worker starts"
        );
        let executor = Arc::new(Executor {
            registry: Arc::new(registry),
            services,
            settler: Settler {
                broker: broker.clone(),
                shutdown: shutdown.clone(),
                keys,
                dead_max_length: options.dead_max_length,
                worker: options.name.clone(),
                clock: clock.clone(),
            },
            clock,
            shutdown: shutdown.clone(),
            jitter: options.retry_jitter,
            queues: options.queues.clone(),
        });
        let prefetch =
            options.prefetch.unwrap_or_else(|| u16::try_from(options.concurrency).unwrap_or(u16::MAX));
        let returning =
            options.queues.iter().filter(|queue| queue.returns).map(|queue| returned(&queue.name));
        let subscriptions = options.queues.iter().map(|queue| queue.name.clone()).chain(returning);
        let subscriptions = subscriptions.map(|queue| Subscription { queue, prefetch }).collect();
        let mut consumer = broker.consume(subscriptions, shutdown);
        let pool = Pool::new(options.concurrency);
        let mut gave_up = false;
        loop {
            let place = tokio::select! {
                () = shutdown.soft().cancelled() => break,
                place = pool.place() => place,
            };
            let delivery = tokio::select! {
                () = shutdown.soft().cancelled() => break,
                delivery = consumer.next() => delivery,
            };
            let Some(delivery) = delivery else {
                tracing::error!("the consumer has ended by itself");
                gave_up = true;
                break;
            };
            let executor = Arc::clone(&executor);
            pool.run(place, async move { executor.execute(delivery).await });
        }
        consumer.cancel().await;
        tracing::info!(
            running = pool.running(),
            "worker drains: it takes nothing more and finishes what runs"
        );
        let drained = tokio::select! {
            // First, because tasks that are given back leave the pool empty too.
            biased;
            () = shutdown.hard().cancelled() => false,
            drained = pool.drained(options.drain_timeout) => drained,
        };
        if !drained {
            tracing::warn!(running = pool.running(), "worker gives running tasks back to their queues");
            shutdown.stop_now();
            pool.drained(GIVE_UP).await;
        }
        consumer.close();
        broker.close();
        shutdown.drained(GIVE_UP).await;
        tracing::info!("worker has stopped");
        drained && !gave_up
    }
}
