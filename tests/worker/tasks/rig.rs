//! A worker in this process, for the tasks of [`sample`](super::sample).

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use postrider_core::{
    broker::{
        Broker, MemoryBroker,
        message::Message,
        topology::{DEAD, returned},
    },
    canvas::DEFAULT_QUEUE,
    celery::Call,
    clock::Clock,
    producer::{Enqueueable, Producer},
    redis::RedisConfig,
    results::{AsyncResult, MemoryResults, Meta, RedisResults, ResultOptions, Results, RpcResults},
    shutdown::Shutdown,
};
use postrider_worker::{DeadLetter, Options, WorkQueue, Worker};
use tokio::task::JoinSet;

use super::sample::{self, Services};

/// Far above what an answer takes, for a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Where the tasks go.
pub(crate) const QUEUE: &str = "t";

/// A worker, and who calls it.
pub(crate) struct Rig {
    pub(crate) producer: Producer,
    pub(crate) services: Arc<Services>,
    pub(crate) memory: MemoryBroker,
    results: Results,
    shutdown: Shutdown,
    worker: JoinSet<bool>,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::with(|options| options)
    }

    pub(crate) fn with(change: impl FnOnce(Options) -> Options) -> Self {
        let stored = ResultOptions { track_started: true, ..ResultOptions::default() };
        let results = Results::Memory(MemoryResults::new(stored.clone(), Clock::System));
        Self::storing(stored, |_, _| results, change)
    }

    /// A worker whose results are kept so.
    pub(crate) fn keeping(stored: ResultOptions) -> Self {
        let results = Results::Memory(MemoryResults::new(stored.clone(), Clock::System));
        Self::storing(stored, |_, _| results, |options| options)
    }

    /// A worker that answers to the queue that a call names, as Celery's `rpc://` does.
    pub(crate) fn answering(queue: &str) -> Self {
        let stored = ResultOptions::default();
        let results =
            |broker: &Broker, _: &Shutdown| Results::Rpc(RpcResults::new(broker.clone(), stored.clone()));
        let rig = Self::storing(stored.clone(), results, |options| options);
        rig.memory.declare(queue, None);
        rig
    }

    /// A worker whose results go to that Redis, which may be none. It is tried once for each.
    pub(crate) fn on_redis(url: &str) -> Self {
        let stored = ResultOptions { patience: Duration::ZERO, ..ResultOptions::default() };
        let redis = RedisConfig {
            url: url.into(),
            prefix: String::new(),
            connections: 1,
            timeout: Duration::from_millis(100),
        };
        let results = |_: &Broker, shutdown: &Shutdown| {
            let started = RedisResults::start(&redis, stored.clone(), shutdown);
            Results::Redis(started.expect("the address is one"))
        };
        Self::storing(stored.clone(), results, |options| options)
    }

    fn storing(
        stored: ResultOptions,
        results: impl FnOnce(&Broker, &Shutdown) -> Results,
        change: impl FnOnce(Options) -> Options,
    ) -> Self {
        let options = Options {
            name: "w1@test".into(),
            queues: vec![WorkQueue { name: QUEUE.into(), owned: true, returns: true }],
            concurrency: 16,
            threads: 2,
            drain_timeout: Duration::from_secs(5),
            ..Options::default()
        };
        let options = change(options);
        let shutdown = Shutdown::new();
        let memory = MemoryBroker::new(&shutdown);
        memory.declare(QUEUE, None);
        memory.declare(&returned(QUEUE), None);
        // Where what nobody here knows goes by default.
        memory.declare(DEFAULT_QUEUE, None);
        memory.declare(DEAD, None);
        let broker = Broker::Memory(memory.clone());
        let results = results(&broker, &shutdown);
        let producer = Producer::new(broker.clone(), Clock::System, "test").with_results(results.clone());
        let services = Arc::<Services>::default();
        let worker = Worker::new(sample::registry(), Arc::clone(&services), broker, options)
            .expect("the tasks can be run")
            .results(results.clone(), stored);
        let running = shutdown.clone();
        let mut working = JoinSet::new();
        working.spawn(async move { worker.run(&running).await });
        Self { producer, services, memory, results, shutdown, worker: working }
    }

    /// Calls something, to wait for its result.
    pub(crate) async fn call(&self, call: impl Enqueueable) -> AsyncResult {
        self.producer.call(call).await.expect("the broker is in memory")
    }

    /// Puts a message into the worker's queue as it is.
    pub(crate) async fn publish(&self, message: &Message) {
        Broker::Memory(self.memory.clone()).publish(QUEUE, message).await.expect("the queue is there");
    }

    /// The end of something that is called.
    pub(crate) async fn end(&self, call: impl Enqueueable) -> Meta {
        self.call(call).await.wait(SOON).await.expect("it ends soon")
    }

    /// The result of a task by its id.
    pub(crate) fn result(&self, id: &str) -> AsyncResult {
        self.results.of(id)
    }

    pub(crate) fn results(&self) -> &Results {
        &self.results
    }

    pub(crate) fn runs(&self) -> u32 {
        self.services.runs.load(Ordering::SeqCst)
    }

    pub(crate) fn take_dead_letter(&self) -> Option<DeadLetter> {
        self.memory.take(DEAD).map(|message| DeadLetter::read(&message))
    }

    /// Stops the worker when all is done. Whether it ended well; nothing may lie in its queue then.
    pub(crate) async fn stop(mut self) -> bool {
        self.shutdown.stop();
        let well = self.worker.join_next().await.expect("it was started").expect("it does not panic");
        assert!(self.memory.is_drained(&[]), "something was left in a queue");
        well
    }

    /// Stops the worker at once, and returns what it gave back.
    pub(crate) async fn stop_now(mut self) -> Vec<Message> {
        self.shutdown.stop_now();
        self.worker.join_next().await.expect("it was started").expect("it does not panic");
        std::iter::from_fn(|| self.memory.take(QUEUE)).collect()
    }

    /// Waits until the worker ends by itself. Whether it ended well.
    pub(crate) async fn ended(mut self) -> bool {
        self.worker.join_next().await.expect("it was started").expect("it does not panic")
    }
}

/// A call by name, to the queue of these tasks.
pub(crate) fn named(task: &str) -> Call {
    Call::new(task).option("queue", QUEUE)
}
