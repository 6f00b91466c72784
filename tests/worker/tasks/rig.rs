//! A worker in this process with a handful of tasks, each of which does one thing that a task can do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use postrider_core::{
    broker::{
        Broker, MemoryBroker,
        message::Message,
        topology::{DEAD, returned},
    },
    canvas::{DEFAULT_QUEUE, Step},
    celery::{Call, Exception},
    clock::Clock,
    producer::{Enqueueable, Producer},
    redis::RedisConfig,
    results::{AsyncResult, MemoryResults, Meta, RedisResults, ResultOptions, Results, RpcResults},
    shutdown::Shutdown,
    task::{
        AutoRetry, Compute, ComputeBlocking, Context, Registry, Retry, RetryPolicy, Run, Task, TaskError,
        TaskResult,
    },
};
use postrider_worker::{DeadLetter, Options, WorkQueue, Worker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{sync::Notify, task::JoinSet};

/// Far above what an answer takes, for a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(20);
const QUEUE: &str = "t";

/// What the tasks share.
#[derive(Default)]
pub(crate) struct Services {
    /// How many runs there were of [`Count`] and of those that count themselves.
    pub(crate) runs: AtomicU32,
    /// Told when a task has begun that waits for [`Services::go`].
    pub(crate) begun: Notify,
    /// What [`Gate`] waits for.
    pub(crate) go: Notify,
}

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
        let worker = Worker::new(registry(), Arc::clone(&services), broker, options)
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
}

impl Rig {
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

fn registry() -> Registry<Services> {
    Registry::new()
        .register::<Add>()
        .register::<Sum>()
        .register::<Count>()
        .register::<Raise>()
        .register::<Flaky>()
        .register::<AskAgain>()
        .register::<Progress>()
        .register::<Later>()
        .register::<Noop>()
        .register::<End>()
        .register::<Parent>()
        .register::<Delegate>()
        .register::<Turn>()
        .register::<Hold>()
        .register::<Gate>()
        .register_blocking::<Block>()
}

macro_rules! task {
    ($(#[$doc:meta])* $name:ident($task:literal) { $($field:ident: $kind:ty),* } $({ $($options:tt)* })?) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize)]
        pub(crate) struct $name { $(pub(crate) $field: $kind),* }

        impl Task for $name {
            const NAME: &'static str = $task;
            const QUEUE: &'static str = QUEUE;
            $($($options)*)?
        }
    };
}

task!(Add("add") { x: i64, y: i64 });
task!(Sum("sum") { numbers: Vec<i64> });
task!(
    /// Counts its runs, whatever it is given.
    Count("count") {}
    { const IGNORE_RESULT: bool = true; }
);
task!(Raise("raise") { text: String });
task!(
    /// Fails twice with an error that it does not judge.
    Flaky("flaky") {}
    {
        const RETRY: RetryPolicy = RetryPolicy::flat(Duration::ZERO).max_retries(2);
        const AUTORETRY: AutoRetry = AutoRetry::Only(&["ParseIntError"]);
    }
);
task!(
    /// Asks to be tried again, for ever.
    AskAgain("ask_again") { max_retries: u32 }
);
task!(
    /// Says how far it has come, and waits until it may go on.
    Progress("progress") { percent: u32 }
);
task!(
    /// Asks to be tried again in a while, without a reason.
    Later("later") {}
);
task!(End("end") { how: String });
/// Takes a list of anything, and does nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noop(Vec<Value>);

impl Task for Noop {
    const NAME: &'static str = "noop";
}

impl Run<Services> for Noop {
    async fn run(self, _services: &Services, _context: &Context) -> TaskResult {
        Ok(())
    }
}

task!(Parent("parent") {});
task!(
    /// Enqueues the signature that it is given.
    Delegate("delegate") { to: Call }
);
task!(
    /// Is replaced with the signature that it is given.
    Turn("turn") { into: Call }
);
task!(
    /// Waits for ever; `listens` says whether it looks at its soft limit.
    Hold("hold") { listens: bool }
    { const SOFT_TIME_LIMIT: Option<Duration> = Some(Duration::from_millis(50)); }
);
task!(
    /// Waits until it may go on, acknowledged before.
    Gate("gate") {}
    { const ACKS_LATE: bool = false; }
);
task!(
    /// Blocks its thread until its soft limit has passed, or beyond it.
    Block("block") { stubborn: bool }
    { const ACKS_LATE: bool = true; }
);

impl Compute<Services> for Add {
    type Output = i64;

    async fn compute(self, _services: &Services, _context: &Context) -> TaskResult<i64> {
        Ok(self.x.saturating_add(self.y))
    }
}

impl Compute<Services> for Sum {
    type Output = i64;

    async fn compute(self, _services: &Services, _context: &Context) -> TaskResult<i64> {
        Ok(self.numbers.iter().fold(0, |sum, number| sum.saturating_add(*number)))
    }
}

impl Run<Services> for Count {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.runs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Run<Services> for Raise {
    async fn run(self, _services: &Services, _context: &Context) -> TaskResult {
        Err(TaskError::raise(Exception::builtin("ValueError", self.text)))
    }
}

impl Compute<Services> for Flaky {
    type Output = u32;

    async fn compute(self, _services: &Services, context: &Context) -> TaskResult<u32> {
        let text = if context.retries < 2 { "two" } else { "2" };
        Ok(text.parse()?)
    }
}

impl Run<Services> for AskAgain {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.runs.fetch_add(1, Ordering::SeqCst);
        Err(Retry::after(Duration::ZERO).max_retries(self.max_retries).into())
    }
}

impl Run<Services> for Progress {
    async fn run(self, services: &Services, context: &Context) -> TaskResult {
        context.update_state("PROGRESS", self.percent).await?;
        services.begun.notify_one();
        services.go.notified().await;
        Ok(())
    }
}

impl Run<Services> for Later {
    async fn run(self, services: &Services, context: &Context) -> TaskResult {
        if context.retries > 0 {
            services.go.notified().await;
            return Ok(());
        }
        Err(Retry::after(Duration::ZERO).into())
    }
}

impl Run<Services> for End {
    async fn run(self, services: &Services, context: &Context) -> TaskResult {
        let run = services.runs.fetch_add(1, Ordering::SeqCst);
        match self.how.as_str() {
            "ignore" => Err(TaskError::Ignore),
            "panic" => panic!("on purpose"),
            "reject" => Err(TaskError::reject("unfit", "it does not fit", false)),
            "once" if run == 0 => Err(TaskError::reject("later", "another worker may have more luck", true)),
            "unknown" => Err(TaskError::Unknown(postrider_core::task::Reason::new("maybe", "who knows"))),
            _ => {
                assert_eq!(context.hostname(), "w1@test");
                Ok(())
            }
        }
    }
}

impl Compute<Services> for Parent {
    type Output = String;

    async fn compute(self, _services: &Services, context: &Context) -> TaskResult<String> {
        Ok(context.enqueue(Add { x: 20, y: 3 }).await?)
    }
}

impl Run<Services> for Delegate {
    async fn run(self, _services: &Services, context: &Context) -> TaskResult {
        context.enqueue(self.to).await?;
        Ok(())
    }
}

impl Run<Services> for Turn {
    async fn run(self, _services: &Services, context: &Context) -> TaskResult {
        Err(context.replace(self.into.into_workflow()))
    }
}

impl Compute<Services> for Hold {
    type Output = &'static str;

    async fn compute(self, _services: &Services, context: &Context) -> TaskResult<&'static str> {
        if self.listens {
            context.soft_limit().await;
            return Ok("tidied up");
        }
        std::future::pending().await
    }
}

impl Run<Services> for Gate {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.begun.notify_one();
        services.go.notified().await;
        Ok(())
    }
}

impl ComputeBlocking<Services> for Block {
    type Output = &'static str;

    fn compute_blocking(self, services: &Services, context: &Context) -> TaskResult<&'static str> {
        services.begun.notify_one();
        while !context.soft_limit_has_passed() || self.stubborn && services.runs.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        Ok("returned")
    }
}
