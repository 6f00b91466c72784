//! A connection that is lost while a task runs: the broker hands its message out again, and the task is not run twice.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use postrider_core::{
    broker::{
        AmqpBroker, AmqpConfig, Broker,
        topology::{QueueSpec, Topology},
    },
    clock::Clock,
    producer::Producer,
    results::{MemoryResults, ResultOptions, Results},
    shutdown::Shutdown,
    task::{ComputeBlocking, Context, Registry, Retry, Run, Signature, Task, TaskResult},
};
use postrider_tests::{
    gate::Gate,
    servers::{eventually, shared_amqp_url},
    worker::Setup,
};
use postrider_worker::{ControlOptions, Options, WorkQueue, Worker};
use serde::{Deserialize, Serialize};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::SOON;

/// Waits until it may end; then it is tried once more, if that is wanted.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Hold {
    again: bool,
}

impl Task for Hold {
    const NAME: &'static str = "hold";
}

impl Run<Gate> for Hold {
    async fn run(self, gate: &Gate, context: &Context) -> TaskResult {
        gate.pass().await;
        if self.again && context.retries == 0 { Err(Retry::after(Duration::ZERO).into()) } else { Ok(()) }
    }
}

/// Waits on a thread until it may end, acknowledged before its run.
#[derive(Debug, Serialize, Deserialize)]
struct Block {}

impl Task for Block {
    const NAME: &'static str = "block";
    const ACKS_LATE: bool = false;
}

impl ComputeBlocking<Gate> for Block {
    type Output = ();

    fn compute_blocking(self, gate: &Gate, _context: &Context) -> TaskResult {
        gate.pass_blocking();
        Ok(())
    }
}

/// What lies between a worker and its broker: a network that can be cut.
struct Network {
    address: SocketAddr,
    up: watch::Sender<bool>,
    _listening: JoinSet<()>,
}

impl Network {
    async fn before(server: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let (address, up) = (listener.local_addr().expect("it is bound"), watch::Sender::new(true));
        let mut listening = JoinSet::new();
        listening.spawn(forward(listener, server, up.subscribe()));
        Self { address, up, _listening: listening }
    }

    /// Every connection is lost, and none can be made.
    fn cut(&self) {
        self.up.send_replace(false);
    }

    fn mend(&self) {
        self.up.send_replace(true);
    }
}

async fn forward(listener: TcpListener, server: String, up: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let mut cut = up.clone();
        if *cut.borrow_and_update() {
            let mut server = TcpStream::connect(&server).await.expect("the broker listens");
            connections.spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = cut.wait_for(|up| !up) => {}
                }
            });
        }
    }
}

/// A queue, and workers that consume it through a network that can be cut.
struct Rig {
    setup: Setup,
    network: Network,
    gate: Arc<Gate>,
    results: Results,
}

/// A worker of a rig.
struct Working {
    shutdown: Shutdown,
    worker: JoinSet<bool>,
}

impl Rig {
    async fn start(test: &str, results: Results) -> Self {
        let setup = Setup::new(test).foreign();
        let url = reqwest::Url::parse(&shared_amqp_url()).expect("an address");
        let server = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5672));
        Self { setup, network: Network::before(server).await, gate: Arc::<Gate>::default(), results }
    }

    fn broker(&self, url: &str, shutdown: &Shutdown) -> Broker {
        let seconds = Duration::from_secs;
        let config = AmqpConfig {
            url: url.into(),
            name: "lost".into(),
            heartbeat: seconds(5),
            connect_timeout: seconds(3),
            publish_timeout: seconds(3),
            declare: true,
        };
        let topology = Topology::default().queue(&QueueSpec::foreign(&self.setup.queue));
        Broker::Amqp(AmqpBroker::start(config, topology, shutdown))
    }

    fn worker(&self) -> Working {
        let mut url = reqwest::Url::parse(&shared_amqp_url()).expect("an address");
        url.set_port(Some(self.network.address.port())).expect("it has a host");
        let shutdown = Shutdown::new();
        let options = Options {
            queues: vec![WorkQueue { name: self.setup.queue.clone(), owned: false, returns: false }],
            concurrency: 4,
            threads: 1,
            control: ControlOptions { enabled: false, ..ControlOptions::default() },
            ..Options::default()
        };
        let broker = self.broker(url.as_str(), &shutdown);
        let tasks = Registry::new().register::<Hold>().register_blocking::<Block>();
        let worker = Worker::new(tasks, Arc::clone(&self.gate), broker, options)
            .expect("the options are valid")
            .results(self.results.clone(), ResultOptions::default());
        let running = shutdown.clone();
        let mut working = JoinSet::new();
        working.spawn(async move { worker.run(&running).await });
        Working { shutdown, worker: working }
    }

    async fn enqueue(&self) {
        self.enqueue_one(Hold::default).await;
    }

    async fn enqueue_one<T: Task>(&self, task: impl Fn() -> T) {
        let shutdown = Shutdown::new();
        let producer = Producer::new(self.broker(&shared_amqp_url(), &shutdown), Clock::System, "test");
        let call = || Signature::new(task()).queue(&self.setup.queue);
        assert!(eventually(SOON, async || producer.enqueue(call()).await.is_ok()).await);
        shutdown.stop_now();
    }

    async fn ready(&self) -> Option<u32> {
        self.setup.amqp().await.ready(&self.setup.queue).await
    }

    async fn waits_in_the_queue(&self) {
        assert!(eventually(SOON, async || self.ready().await == Some(1)).await);
    }

    /// The connection is lost and made again, and what is in the queue has come again before one more task has begun.
    async fn comes_again(&self) {
        self.network.cut();
        self.waits_in_the_queue().await;
        self.network.mend();
        // It lies behind the others, which are handed out again before it.
        self.enqueue().await;
        self.gate.begun(1).await;
    }

    async fn close(self, mut working: Working) {
        working.shutdown.stop();
        assert!(
            working.worker.join_next().await.expect("it was started").expect("the worker does not panic")
        );
        self.setup.clean_up().await;
    }
}

fn stored() -> Results {
    Results::Memory(MemoryResults::new(ResultOptions::default(), Clock::System))
}

#[tokio::test]
async fn a_task_that_runs_when_its_connection_is_lost_is_not_run_a_second_time_meanwhile() {
    for results in [Results::None, stored()] {
        let rig = Rig::start("lost-meanwhile", results).await;
        let worker = rig.worker();
        rig.enqueue().await;
        rig.gate.begun(1).await;

        rig.comes_again().await;

        assert_eq!(rig.gate.begun_beside(), 0, "it runs twice");
        rig.gate.release(2);
        rig.close(worker).await;
    }
}

#[tokio::test]
async fn a_task_that_wants_to_be_tried_again_when_its_connection_was_lost_is() {
    let rig = Rig::start("lost-retry", Results::None).await;
    let worker = rig.worker();
    rig.enqueue_one(|| Hold { again: true }).await;
    rig.gate.begun(1).await;
    rig.comes_again().await;

    rig.gate.release(2);

    rig.gate.begun(1).await;
    rig.gate.release(1);
    rig.close(worker).await;
}

#[tokio::test]
async fn a_task_that_waits_for_a_thread_when_its_connection_is_lost_is_run_once() {
    let rig = Rig::start("lost-waiting", Results::None).await;
    let worker = rig.worker();
    rig.enqueue_one(|| Block {}).await;
    rig.gate.begun(1).await;
    rig.enqueue_one(|| Block {}).await;
    assert!(eventually(SOON, async || rig.ready().await == Some(0)).await);
    rig.comes_again().await;
    assert_eq!(rig.gate.begun_beside(), 0, "there is one thread");

    rig.gate.release(2);

    rig.gate.begun(1).await;
    rig.gate.release(1);
    rig.close(worker).await;
}

#[tokio::test]
async fn a_task_whose_ack_was_lost_with_its_connection_is_not_run_again() {
    for results in [Results::None, stored()] {
        let rig = Rig::start("lost-ack", results).await;
        let worker = rig.worker();
        rig.enqueue().await;
        rig.gate.begun(1).await;

        rig.network.cut();
        rig.waits_in_the_queue().await;
        rig.gate.release(1);
        assert!(eventually(SOON, async || rig.gate.has_let_all_on()).await);
        rig.network.mend();

        assert!(eventually(SOON, async || rig.ready().await == Some(0)).await);
        rig.enqueue().await;
        rig.gate.begun(1).await;
        assert_eq!(rig.gate.begun_beside(), 0, "it was run again");
        rig.gate.release(1);
        rig.close(worker).await;
    }
}

#[tokio::test]
async fn another_worker_does_not_run_a_task_again_that_has_succeeded() {
    let rig = Rig::start("lost-stored", stored()).await;
    let first = rig.worker();
    rig.enqueue().await;
    rig.gate.begun(1).await;
    rig.network.cut();
    rig.waits_in_the_queue().await;
    rig.gate.release(1);
    assert!(eventually(SOON, async || rig.gate.has_let_all_on()).await);
    first.shutdown.stop_now();
    first.worker.join_all().await;
    rig.network.mend();

    let second = rig.worker();

    assert!(eventually(SOON, async || rig.ready().await == Some(0)).await);
    rig.enqueue().await;
    rig.gate.begun(1).await;
    assert_eq!(rig.gate.begun_beside(), 0, "it was run again");
    rig.gate.release(1);
    rig.close(second).await;
}
