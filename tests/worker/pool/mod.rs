//! A worker's pool: how much it does at once, on threads too, and changing that while it works. On a broker in memory.

mod capacity;
mod threads;

use std::sync::Arc;

use postrider_core::{
    broker::{Broker, MemoryBroker, Namespace, topology::DEAD},
    celery::control::Request,
    clock::{Clock, ManualClock},
    producer::{Enqueueable, Producer},
    remote::Remote,
    results::{AsyncResult, MemoryResults, ResultOptions, Results},
    shutdown::Shutdown,
    task::{ComputeBlocking, Context, Registry, Run, Task, TaskResult},
};
use postrider_tests::{gate::Gate, servers::eventually};
use postrider_worker::{Options, WorkQueue, Worker};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::SOON;

const QUEUE: &str = "t";

/// Waits until it may end.
#[derive(Debug, Serialize, Deserialize)]
struct Hold {}

impl Task for Hold {
    const NAME: &'static str = "hold";
    const QUEUE: &'static str = QUEUE;
}

impl Run<Gate> for Hold {
    async fn run(self, gate: &Gate, _context: &Context) -> TaskResult {
        gate.pass().await;
        Ok(())
    }
}

/// Blocks its thread until it may end.
#[derive(Debug, Serialize, Deserialize)]
struct Block {}

impl Task for Block {
    const NAME: &'static str = "block";
    const QUEUE: &'static str = QUEUE;
}

impl ComputeBlocking<Gate> for Block {
    type Output = ();

    fn compute_blocking(self, gate: &Gate, _context: &Context) -> TaskResult<()> {
        gate.pass_blocking();
        Ok(())
    }
}

/// Begins twice a second at the most.
#[derive(Debug, Serialize, Deserialize)]
struct Seldom {}

impl Task for Seldom {
    const NAME: &'static str = "seldom";
    const QUEUE: &'static str = QUEUE;
    const RATE_LIMIT: Option<&'static str> = Some("2/s");
}

impl Run<Gate> for Seldom {
    async fn run(self, gate: &Gate, _context: &Context) -> TaskResult {
        gate.begin();
        Ok(())
    }
}

/// A worker of 16 places and one thread for those tasks, and who calls it.
struct Rig {
    producer: Producer,
    broker: Broker,
    memory: MemoryBroker,
    gate: Arc<Gate>,
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
        let gate = Arc::<Gate>::default();
        let clock = ManualClock::new(Clock::System.now());
        let options = Options {
            clock: Clock::Manual(clock.clone()),
            queues: vec![WorkQueue { name: QUEUE.into(), owned: true, returns: false }],
            concurrency: 16,
            threads: 1,
            ..Options::default()
        };
        let tasks = Registry::new().register::<Hold>().register::<Seldom>().register_blocking::<Block>();
        let worker = Worker::new(tasks, Arc::clone(&gate), broker.clone(), change(options))
            .expect("the options are valid")
            .results(results.clone(), ResultOptions::default());
        let producer =
            Producer::new(broker.clone(), Clock::Manual(clock.clone()), "test").with_results(results);
        let running = shutdown.clone();
        let mut working = JoinSet::new();
        working.spawn(async move { worker.run(&running).await });
        Self { producer, broker, memory, gate, clock, shutdown, worker: working }
    }

    async fn call(&self, call: impl Enqueueable) -> AsyncResult {
        self.producer.call(call).await.expect("the broker is in memory")
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

    /// Stops the worker when all is done. Whether it ended well; nothing may lie in its queue then.
    async fn stopped(mut self) -> bool {
        self.shutdown.stop();
        let well = self.ended().await;
        assert!(self.memory.is_drained(&[]), "something was left in a queue");
        well
    }

    /// Waits until the worker has ended. Whether it ended well.
    async fn ended(&mut self) -> bool {
        self.worker.join_next().await.expect("it was started").expect("it does not panic")
    }
}
