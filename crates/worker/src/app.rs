//! The engine's wiring: consume, run in the pool, drain when asked to stop.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::broker::{Broker, Consumer, Liveness, Subscription};
use postrider_core::clock::Clock;
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::Registry;
use tokio_util::sync::CancellationToken;

use crate::execute::Executor;
use crate::pool::Pool;
use crate::settle::Settler;
use crate::sources::Sources;

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
    /// How many messages the broker hands out ahead, a queue; by default the concurrency and an eighth of it, so that a
    /// place need not wait until an ack has gone to the broker and the next message has come back.
    pub prefetch: Option<u16>,
    /// Draws every wait before a retry evenly between zero and the policy's, as Celery's `retry_jitter` does; a task's
    /// own policy may ask for it too.
    pub retry_jitter: bool,
    /// How long running tasks may go on after the soft stop.
    pub drain_timeout: Duration,
    /// How many messages the dead-letter queue keeps; counts what it drops.
    pub dead_max_length: u64,
}

impl Options {
    /// The longest that a stop takes: the drain, what was given up, and the connections.
    pub fn stops_within(&self) -> Duration {
        self.drain_timeout + GIVE_UP + GIVE_UP
    }
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
        self.run_watched(shutdown, |_| ()).await
    }

    /// The same, and hands out what tells whether the broker sends it messages.
    pub async fn run_watched(self, shutdown: &Shutdown, watch: impl FnOnce(Liveness)) -> bool {
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
            sources: Sources::new(options.queues),
        });
        let prefetch = options.prefetch.unwrap_or_else(|| {
            u16::try_from(options.concurrency + options.concurrency / 8).unwrap_or(u16::MAX)
        });
        let subscriptions =
            executor.sources.names().map(|queue| Subscription { queue: queue.into(), prefetch });
        let subscriptions = subscriptions.collect();
        let consumer = broker.consume(subscriptions, shutdown);
        watch(consumer.liveness());
        let pool = Arc::new(Pool::new(options.concurrency));
        let (opening, stop) = (Arc::clone(&pool), shutdown.soft().clone());
        shutdown.spawn(async move {
            stop.run_until_cancelled(opening.open()).await;
        });
        // On the runtime's own threads: a caller's `block_on` is another one, to wake it costs more than a small task.
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the soft stop and is waited for right here"
        )]
        let taking_in = tokio::spawn(take_in(consumer, Arc::clone(&pool), executor, shutdown.soft().clone()));
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

/// Runs what arrives until the soft stop. Gives the consumer back, and whether it ended by itself.
async fn take_in<S: Send + Sync + 'static>(
    mut consumer: Consumer,
    pool: Arc<Pool>,
    executor: Arc<Executor<S>>,
    stop: CancellationToken,
) -> (Consumer, bool) {
    // Each wait looks at the stop last: a place or a message that is there costs no registration with it.
    while !stop.is_cancelled() {
        let place = tokio::select! {
            biased;
            place = pool.place() => place,
            () = stop.cancelled() => break,
        };
        let delivery = tokio::select! {
            biased;
            delivery = consumer.next() => delivery,
            () = stop.cancelled() => break,
        };
        let Some(delivery) = delivery else {
            tracing::error!("the consumer has ended by itself");
            return (consumer, true);
        };
        let executor = Arc::clone(&executor);
        pool.run(place, async move { executor.execute(delivery).await });
    }
    (consumer, false)
}
