//! Blocking tasks that wait for a thread: what may happen to them meanwhile, and that there can be more threads later.

use std::{sync::Arc, time::Duration};

use postrider_core::{
    broker::{Broker, MemoryBroker, Namespace, topology::DEAD},
    celery::control::Request,
    clock::{Clock, ManualClock},
    producer::{Enqueueable, Producer},
    remote::Remote,
    results::{AsyncResult, MemoryResults, ResultOptions, Results, State},
    shutdown::Shutdown,
    task::{ComputeBlocking, Context, Registry, Signature, Task, TaskResult},
};
use postrider_tests::servers::eventually;
use postrider_worker::{Autoscale, IntakeOptions, Options, PoolKind, WorkQueue, Worker};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinSet};

use super::SOON;

const QUEUE: &str = "t";

/// Blocks its thread until it may end.
#[derive(Debug, Serialize, Deserialize)]
struct Block {}

impl Task for Block {
    const NAME: &'static str = "block";
    const QUEUE: &'static str = QUEUE;
}

impl ComputeBlocking<Services> for Block {
    type Output = ();

    fn compute_blocking(self, services: &Services, _context: &Context) -> TaskResult<()> {
        services.begun.add_permits(1);
        Handle::current().block_on(services.go.acquire()).expect("no semaphore is closed").forget();
        Ok(())
    }
}

struct Services {
    begun: Semaphore,
    go: Semaphore,
}

struct Rig {
    producer: Producer,
    broker: Broker,
    memory: MemoryBroker,
    services: Arc<Services>,
    clock: ManualClock,
    shutdown: Shutdown,
    worker: JoinSet<bool>,
}

impl Rig {
    fn start(change: impl FnOnce(Options) -> Options) -> Self {
        let shutdown = Shutdown::new();
        let memory = MemoryBroker::new(&shutdown);
        memory.declare(QUEUE, None);
        memory.declare(DEAD, None);
        let broker = Broker::Memory(memory.clone());
        let results = Results::Memory(MemoryResults::new(ResultOptions::default(), Clock::System));
        let services = Arc::new(Services { begun: Semaphore::new(0), go: Semaphore::new(0) });
        let clock = ManualClock::new(Clock::System.now());
        let options = Options {
            clock: Clock::Manual(clock.clone()),
            queues: vec![WorkQueue { name: QUEUE.into(), owned: true, returns: false }],
            concurrency: 16,
            threads: 1,
            ..Options::default()
        };
        let registry = Registry::new().register_blocking::<Block>();
        let worker = Worker::new(registry, Arc::clone(&services), broker.clone(), change(options))
            .expect("the options are valid")
            .results(results.clone(), ResultOptions::default());
        let producer =
            Producer::new(broker.clone(), Clock::Manual(clock.clone()), "test").with_results(results);
        let running = shutdown.clone();
        let mut working = JoinSet::new();
        working.spawn(async move { worker.run(&running).await });
        Self { producer, broker, memory, services, clock, shutdown, worker: working }
    }

    async fn call(&self, call: impl Enqueueable) -> AsyncResult {
        self.producer.call(call).await.expect("the broker is in memory")
    }

    async fn begun(&self, count: u32) {
        let begun = tokio::time::timeout(SOON, self.services.begun.acquire_many(count)).await;
        begun.expect("they begin in time").expect("no semaphore is closed").forget();
    }

    /// What the worker says to a request of remote control, as text, once it answers.
    async fn ask(&self, method: &str, arguments: Value) -> String {
        let remote = Remote::new(self.broker.clone(), Namespace::default(), Clock::System);
        let arguments: Map<String, Value> = serde_json::from_value(arguments).expect("an object");
        let mut said = String::new();
        let answered = eventually(SOON, async || {
            let mut request = Request::new(method, arguments.clone());
            request.destination = Some(vec!["postrider".into()]);
            let replies = remote.call(request, SOON).await.expect("the broker is in memory");
            said = format!("{replies:?}");
            !replies.is_empty()
        });
        assert!(answered.await, "nobody answered");
        said
    }

    async fn waits_for_a_thread(&self, id: &str) {
        assert!(eventually(SOON, async || self.ask("reserved", json!({})).await.contains(id)).await);
    }

    /// What comes after one that was not run is the next that begins, and the only one.
    async fn third_runs_alone(&self) {
        let third = self.call(Block {}).await;
        self.begun(1).await;
        third.wait(SOON).await.expect("it ends soon");
        assert_eq!(self.services.begun.available_permits(), 0, "the one before it was run too");
    }

    async fn stopped(&mut self) -> bool {
        self.shutdown.stop();
        let well = self.ended().await;
        assert!(self.memory.is_drained(&[]), "something was left in a queue");
        well
    }

    async fn ended(&mut self) -> bool {
        self.worker.join_next().await.expect("it was started").expect("it does not panic")
    }
}

#[tokio::test]
async fn what_is_revoked_while_it_waits_for_a_thread_is_not_run() {
    let mut rig = Rig::start(|options| options);
    rig.call(Block {}).await;
    rig.begun(1).await;
    let second = rig.call(Block {}).await;
    rig.waits_for_a_thread(second.id()).await;

    rig.ask("revoke", json!({"task_id": second.id(), "terminate": false})).await;
    rig.services.go.add_permits(2);

    let end = second.wait(SOON).await.expect("it ends soon");
    assert_eq!(end.state, State::Revoked);
    rig.third_runs_alone().await;
    assert_eq!(second.wait(SOON).await.unwrap().state, State::Revoked);
    assert!(rig.stopped().await);
}

#[tokio::test]
async fn what_runs_out_while_it_waits_for_a_thread_is_not_run() {
    let mut rig = Rig::start(|options| options);
    rig.call(Block {}).await;
    rig.begun(1).await;
    let second = rig.call(Signature::new(Block {}).expires(Duration::from_mins(1))).await;
    rig.waits_for_a_thread(second.id()).await;

    rig.clock.advance(Duration::from_mins(2));
    rig.services.go.add_permits(2);

    assert_eq!(second.wait(SOON).await.expect("it ends soon").state, State::Revoked);
    rig.third_runs_alone().await;
    assert!(rig.stopped().await);
}

#[tokio::test]
async fn a_stop_gives_back_what_waits_for_a_thread() {
    let mut rig = Rig::start(|options| options);
    rig.call(Block {}).await;
    rig.begun(1).await;
    for _ in 0..5 {
        let waiting = rig.call(Block {}).await;
        rig.waits_for_a_thread(waiting.id()).await;
    }

    rig.shutdown.stop();
    assert!(eventually(SOON, async || rig.broker.depth(QUEUE).await == Some(5)).await);
    rig.services.go.add_permits(6);

    assert!(rig.ended().await);
    assert_eq!(rig.services.begun.available_permits(), 0, "more began at the stop");
    assert_eq!(rig.broker.depth(QUEUE).await, Some(5));
}

#[tokio::test]
async fn a_pool_of_threads_that_grows_has_more_threads() {
    let mut rig = Rig::start(|options| Options { pool: PoolKind::Threads, concurrency: 1, ..options });
    rig.call(Block {}).await;
    rig.call(Block {}).await;
    rig.begun(1).await;

    rig.ask("pool_grow", json!({"n": 1})).await;

    rig.begun(1).await;
    rig.services.go.add_permits(2);
    assert!(rig.stopped().await);
}

#[tokio::test]
async fn a_pool_of_threads_that_follows_its_load_has_more_threads_when_its_maximum_is_raised() {
    let intake = IntakeOptions { autoscale: Some(Autoscale::new(1, 1)), ..IntakeOptions::default() };
    let mut rig =
        Rig::start(|options| Options { pool: PoolKind::Threads, concurrency: 1, intake, ..options });
    rig.call(Block {}).await;
    rig.call(Block {}).await;
    rig.begun(1).await;

    rig.ask("autoscale", json!({"max": 2, "min": 2})).await;

    rig.begun(1).await;
    rig.services.go.add_permits(2);
    assert!(rig.stopped().await);
}
