//! Taking messages in: what the broker hands out finds its place in the pool. What may change while the worker works is
//! changed here too: the queues, the size of the pool, and with it how much is fetched ahead.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::broker::topology::{QueueSpec, returned};
use postrider_core::broker::{Broker, Consumer, Delivery, Liveness, Subscription};
use postrider_core::remote::Remote;
use postrider_core::shutdown::Shutdown;
use tokio_util::sync::CancellationToken;

use crate::app::WorkQueue;
use crate::autoscale::Autoscale;
use crate::blocking::Threads;
use crate::capacity::{Capacity, Prefetch};
use crate::consumers::WorkQueues;
use crate::limits;
use crate::pool::Pool;
use crate::shared_queue::{SharedQueues, Watch};
use crate::sources::Sources;

/// How messages are taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct IntakeOptions {
    /// How many messages the broker hands out ahead, a queue.
    pub prefetch: Prefetch,
    /// Between what the pool follows its load, if it does.
    pub autoscale: Option<Autoscale>,
    /// Descriptions of queues: of those that are consumed, and of others that may be added by their name while the worker
    /// works.
    pub known: Vec<QueueSpec>,
    /// How long the broker waits for a message to be settled before it closes the channel: RabbitMQ's
    /// `consumer_timeout`.
    pub consumer_timeout: Duration,
    /// Whether another program's queue is left alone while one of its workers has tasks that are not registered here.
    pub refuse_shared: bool,
    /// How often the other workers are asked what they serve and have.
    pub neighbours_every: Duration,
}

impl Default for IntakeOptions {
    fn default() -> Self {
        Self {
            prefetch: Prefetch::default(),
            autoscale: None,
            known: Vec::new(),
            consumer_timeout: Duration::from_mins(30),
            refuse_shared: true,
            neighbours_every: Duration::from_mins(1),
        }
    }
}

/// What takes messages in.
pub(crate) struct Intake {
    consumer: Consumer,
    pub pool: Arc<Pool>,
    /// Changes how much is done at once.
    pub capacity: Capacity,
    /// Changes what is consumed.
    pub queues: WorkQueues,
}

/// Who takes messages in, and beside whom.
pub(crate) struct Worker<'a> {
    pub broker: &'a Broker,
    pub name: &'a str,
    pub tasks: Vec<String>,
    pub queues: &'a [WorkQueue],
    pub sources: &'a Sources,
    /// Asks the other workers; without it nobody is asked.
    pub remote: Option<Remote>,
    pub concurrency: usize,
    /// Of a pool of threads, the threads.
    pub threads: Option<Threads>,
}

impl Intake {
    /// Begins to consume.
    pub(crate) fn start(worker: Worker<'_>, options: IntakeOptions, shutdown: &Shutdown) -> Self {
        let IntakeOptions { prefetch, autoscale, known, consumer_timeout, refuse_shared, neighbours_every } =
            options;
        let Worker { broker, name, tasks, queues, sources, remote, concurrency, threads } = worker;
        let (places, most) = match autoscale {
            Some(Autoscale { max, min }) => (min.max(1), max),
            None => (concurrency, concurrency),
        };
        let foreign: Vec<String> =
            queues.iter().filter(|queue| !queue.owned).map(|queue| queue.name.clone()).collect();
        // Fewer threads than places were asked for: then they stay as few.
        let threads = threads.filter(|threads| threads.most() >= most);
        let remote = remote.filter(|_| refuse_shared);
        let subscribe = |queue: String| Subscription {
            withheld: remote.is_some() && foreign.contains(&queue),
            prefetch: prefetch.of(most),
            queue,
        };
        let given_up = queues.iter().filter(|queue| queue.returns).map(|queue| returned(&queue.name));
        let names = queues.iter().map(|queue| queue.name.clone()).chain(given_up);
        let consumer = broker.consume(names.map(subscribe).collect(), shutdown);
        let consumers = consumer.consumers();
        consumers.hold_at_most(limits::wait(consumer_timeout));

        let pool = Arc::new(Pool::new(places));
        let (opening, stop) = (Arc::clone(&pool), shutdown.soft().clone());
        shutdown.spawn(async move {
            stop.run_until_cancelled(opening.open()).await;
        });
        let capacity = Capacity::new(Arc::clone(&pool), consumers.clone(), prefetch, threads, autoscale);
        shutdown.spawn(capacity.clone().keep_scaling(shutdown.soft().clone()));
        let shared = remote.map(|remote| {
            let shared = SharedQueues::new(foreign);
            let watch = Watch {
                remote,
                name: name.to_owned(),
                tasks: tasks.into_iter().collect(),
                queues: shared.clone(),
                consumers: consumers.clone(),
                every: neighbours_every,
            };
            shutdown.spawn(watch.watch(shutdown.clone()));
            shared
        });
        let work = WorkQueues::new(broker.clone(), consumers, sources.clone(), shared, known);
        Self { consumer, pool, capacity, queues: work }
    }

    /// Tells whether the broker hands out messages.
    pub(crate) fn liveness(&self) -> Liveness {
        self.consumer.liveness()
    }

    /// Runs what arrives until the stop. Gives the consumer back, and whether it ended by itself.
    pub(crate) async fn run<F>(
        self,
        stop: CancellationToken,
        mut task: impl FnMut(Delivery) -> F,
    ) -> (Consumer, bool)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { mut consumer, pool, .. } = self;
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
                if !stop.is_cancelled() {
                    tracing::error!("the consumer has ended by itself");
                    return (consumer, true);
                }
                break;
            };
            pool.run(place, task(delivery));
        }
        (consumer, false)
    }
}
