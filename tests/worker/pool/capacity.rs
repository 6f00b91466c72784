//! How much a worker does at once: a pool that follows its load, and tasks that may begin only so often.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use postrider_core::{
    broker::{Broker, MemoryBroker, topology::DEAD},
    clock::Clock,
    producer::Producer,
    shutdown::Shutdown,
    task::{Context, Registry, Run, Task, TaskResult},
};
use postrider_worker::{Autoscale, IntakeOptions, Options, WorkQueue, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::SOON;

const QUEUE: &str = "t";

/// Waits until it may end.
#[derive(Debug, Serialize, Deserialize)]
struct Hold {}

impl Task for Hold {
    const NAME: &'static str = "hold";
    const QUEUE: &'static str = QUEUE;
}

impl Run<Services> for Hold {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.begun.add_permits(1);
        services.go.acquire().await.expect("no semaphore is closed").forget();
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

impl Run<Services> for Seldom {
    async fn run(self, services: &Services, _context: &Context) -> TaskResult {
        services.begun.add_permits(1);
        Ok(())
    }
}

struct Services {
    begun: Semaphore,
    go: Semaphore,
}

struct Rig {
    producer: Producer,
    services: Arc<Services>,
    memory: MemoryBroker,
    shutdown: Shutdown,
    worker: tokio::task::JoinHandle<bool>,
}

impl Rig {
    fn start(concurrency: usize, autoscale: Option<Autoscale>) -> Self {
        let shutdown = Shutdown::new();
        let memory = MemoryBroker::new(&shutdown);
        memory.declare(QUEUE, None);
        memory.declare(DEAD, None);
        let broker = Broker::Memory(memory.clone());
        let services = Arc::new(Services { begun: Semaphore::new(0), go: Semaphore::new(0) });
        let options = Options {
            queues: vec![WorkQueue { name: QUEUE.into(), owned: true, returns: false }],
            concurrency,
            intake: IntakeOptions { autoscale, ..IntakeOptions::default() },
            ..Options::default()
        };
        let registry = Registry::new().register::<Hold>().register::<Seldom>();
        let worker = Worker::new(registry, Arc::clone(&services), broker.clone(), options);
        let worker = worker.expect("the options are valid");
        let running = shutdown.clone();
        #[expect(clippy::disallowed_methods, reason = "a test waits for it by its handle")]
        let worker = tokio::spawn(async move { worker.run(&running).await });
        Self { producer: Producer::new(broker, Clock::System, "test"), services, memory, shutdown, worker }
    }

    async fn begun(&self, count: u32) {
        let begun = tokio::time::timeout(SOON, self.services.begun.acquire_many(count));
        begun.await.expect("they begin in time").expect("no semaphore is closed").forget();
    }

    async fn stop(self) {
        self.shutdown.stop();
        assert!(self.worker.await.expect("the worker does not panic"));
        assert!(self.memory.is_drained(&[]), "something was left in a queue");
    }
}

#[tokio::test]
async fn a_pool_that_follows_its_load_grows_to_its_maximum_and_no_further() {
    let rig = Rig::start(16, Some(Autoscale::new(3, 1)));

    for _ in 0..5 {
        rig.producer.enqueue(Hold {}).await.unwrap();
    }

    rig.begun(3).await;
    assert_eq!(rig.services.begun.available_permits(), 0, "more than the maximum run");
    rig.services.go.add_permits(5);
    rig.begun(2).await;
    rig.stop().await;
}

#[tokio::test]
async fn tasks_with_a_rate_limit_begin_no_faster_and_hold_up_no_others() {
    let rig = Rig::start(2, None);
    let begun = Instant::now();
    rig.services.go.add_permits(1);

    for _ in 0..7 {
        rig.producer.enqueue(Seldom {}).await.unwrap();
    }
    rig.producer.enqueue(Hold {}).await.unwrap();

    rig.begun(2).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "the other task waited for those with a limit");
    rig.begun(6).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "seven began in {:?}", begun.elapsed());
    rig.stop().await;
}
