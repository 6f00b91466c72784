//! Fleets of Python and Rust workers together: callers of either side, chains and chords whose members are on both, on
//! classic and on quorum queues, with results in Redis and through the broker. The Rust worker is that of `suite`, whose
//! tasks have the names of Celery's integration tests; the Python side is `mixed.py`.

use std::path::Path;
use std::time::Duration;

use postrider_core::{
    broker::{
        Broker,
        topology::{QueueSpec, QueueType, Topology},
    },
    canvas::{chain, chord, group},
    celery::Call,
    clock::Clock,
    producer::{Enqueueable, Producer},
    redis::RedisConfig,
    results::{AsyncResult, ResultBackend, ResultOptions, Results, WaitError},
    shutdown::Shutdown,
};
use postrider_tests::{
    broker::connected,
    servers::{Proc, old_python, python, shared_amqp_url, shared_redis_url},
    worker::{Output, Setup, ended},
};
use serde_json::{Value, json};

use crate::python::PATIENCE;

/// What a whole script of calls may take, each of which waits for a worker. Shorter than what the runner gives a test, so
/// that the logs of the fleet tell what hung.
const SCRIPT: Duration = Duration::from_secs(80);
const TIMEOUT: Duration = Duration::from_secs(5);
const RPC: &str = "rpc://";

/// A Rust worker, a Python worker, and a queue for each.
struct Fleet {
    setup: Setup,
    rust: String,
    python: String,
    backend: String,
    kind: QueueType,
    workers: Vec<Proc>,
}

impl Fleet {
    async fn start(test: &str, kind: QueueType, backend: &str) -> Self {
        let mut fleet = Self::without_python(test, kind, backend).await;
        let name = format!("python@{}", fleet.python);
        let args = ["-m", "celery", "-A", "mixed", "worker", "-P", "solo", "-l", "info", "-n", &name];
        let mut worker = fleet.process(&python(), &[&args[..], &["-Q", &fleet.python]].concat());
        worker.wait_for_line(|line| line.trim_end().ends_with("ready."), PATIENCE).await;
        fleet.workers.push(worker);
        fleet
    }

    async fn without_python(test: &str, kind: QueueType, backend: &str) -> Self {
        let setup = Setup::new(test).foreign();
        let rust = setup.queue.clone();
        let python = format!("{rust}.python");
        let mut fleet = Self { setup, rust, python, backend: backend.into(), kind, workers: Vec::new() };
        let mut worker = fleet.process(Path::new(env!("CARGO_BIN_EXE_celery-suite")), &[]);
        worker.wait_for_line(|line| line.contains("worker starts"), PATIENCE).await;
        fleet.workers.push(worker);
        fleet
    }

    fn process(&self, program: &Path, args: &[&str]) -> Proc {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        let redis = shared_redis_url();
        let host = redis.trim_start_matches("redis://").split('/').next().unwrap_or_default();
        let (host, port) = host.split_once(':').expect("the address has a port");
        let mut env = vec![
            ("PYTHONPATH", folder.to_string_lossy().into_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
            ("SHOP_BROKER", self.setup.amqp_url.clone()),
            ("SHOP_RESULTS", self.backend.clone()),
            ("MIXED_PYTHON", self.python.clone()),
            ("MIXED_RUST", self.rust.clone()),
            ("TEST_BROKER", self.setup.amqp_url.clone()),
            ("TEST_BACKEND", self.backend.clone()),
            ("REDIS_HOST", host.into()),
            ("REDIS_PORT", port.into()),
            ("SUITE_NODE", format!("rust@{}", self.rust)),
            ("SUITE_QUEUES", self.rust.clone()),
            ("SUITE_CONCURRENCY", "10".into()),
        ];
        if self.kind == QueueType::Quorum {
            env.push(("SUITE_QUORUM", "1".into()));
        }
        Proc::run(program, args, env)
    }

    /// What a caller sees, by `mixed.py`.
    async fn seen_by(&self, python: &Path, what: &str) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/mixed.py");
        let mut caller = self.process(python, &[&*script.to_string_lossy(), what]);
        let line = caller.wait_for_line(|line| line.starts_with('{'), SCRIPT).await;
        let Output { status, text } = ended(caller).await;
        assert!(status.success(), "{text}");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{text}"))
    }

    /// A producer of ours on the fleet's queues.
    async fn producer(&self, shutdown: &Shutdown) -> Producer {
        let queue = |name: &str| QueueSpec { kind: self.kind, ..QueueSpec::foreign(name) };
        let topology = Topology::default().queue(&queue(&self.rust)).queue(&queue(&self.python));
        let broker = connected(&shared_amqp_url(), topology, shutdown).await;
        let redis = RedisConfig {
            url: shared_redis_url().into(),
            prefix: String::new(),
            connections: 1,
            timeout: TIMEOUT,
        };
        let results = self.results(&redis, &broker, shutdown);
        Producer::new(broker, Clock::System, "test").with_results(results)
    }

    fn results(&self, redis: &RedisConfig, broker: &Broker, shutdown: &Shutdown) -> Results {
        let backend = ResultBackend::parse(&self.backend).expect("the address is one of the servers'");
        let results = backend.open(ResultOptions::default(), redis, broker, true, &Clock::System, shutdown);
        results.expect("the backend's address is valid")
    }

    /// A call of a task on the Rust side, and the same on the Python side.
    fn call(&self, task: &str) -> [Call; 2] {
        let call = Call::new(format!("t.integration.tasks.{task}"));
        [call.clone().option("queue", &*self.rust), call.option("queue", &*self.python)]
    }

    async fn stop(self) {
        for mut worker in self.workers {
            worker.sigterm();
            let Output { status, text } = ended(worker).await;
            assert!(status.success(), "{text}");
        }
        let unclaimed = format!("{}.unclaimed", self.python);
        self.setup.amqp().await.delete([&self.python, &unclaimed]).await;
        self.setup.clean_up().await;
    }
}

/// Everything that Python calls.
async fn python_calls(test: &str, kind: QueueType, backend: &str) {
    let fleet = Fleet::start(test, kind, backend).await;

    let lone = fleet.seen_by(&python(), "calls").await;
    let workflows = fleet.seen_by(&python(), "workflows").await;

    assert_eq!(lone, called());
    let mut expected = json!({"chain": 15, "group": [0, 2, 4, 6, 8, 10], "failed step": ["ExpectedException", "Task expected to fail"]});
    if backend != RPC {
        expected["sides"] = json!(["rust", "python", "rust", "python"]);
        assert_eq!(fleet.seen_by(&python(), "chords").await, joined());
    }
    assert_eq!(workflows, expected);
    fleet.stop().await;
}

/// What `mixed.py calls` tells.
fn called() -> Value {
    json!({
        "value": 3,
        "keywords": "ab",
        "failure": ["ExpectedException", "Task expected to fail", 1],
        "retried": 1,
        "delayed": 3,
        "late": "TaskRevokedError",
        "group": [0, 2, 4, 6, 8],
    })
}

/// What `mixed.py chords` tells.
fn joined() -> Value {
    json!({
        "rust": [6, "rust"],
        "python": [6, "python"],
        "failed in rust": ["ExpectedException", "ChordError"],
        "failed in python": ["ValueError", "ChordError"],
        "in a chain": 7,
    })
}

async fn called_by(producer: &Producer, call: impl Enqueueable) -> AsyncResult {
    producer.call(call).await.expect("the broker takes the call")
}

async fn number(result: &AsyncResult) -> i64 {
    result.get(SCRIPT).await.expect("the call ends well, with a number")
}

/// Everything that a producer of ours calls.
async fn rust_calls(test: &str, kind: QueueType, backend: &str) {
    let fleet = Fleet::start(test, kind, backend).await;
    let shutdown = Shutdown::new();
    let producer = fleet.producer(&shutdown).await;
    let [rust, python] = fleet.call("add");
    let [_, fails] = fleet.call("fail");
    let [sum_in_rust, sum_in_python] = fleet.call("tsum");
    let add = |call: &Call, args: &[i64]| args.iter().fold(call.clone(), |call, arg| call.arg(*arg));

    let value = called_by(&producer, add(&python, &[1, 2])).await;
    let steps = chain((add(&python, &[1, 2]), add(&rust, &[3]), add(&python, &[4])));
    let last = called_by(&producer, steps).await;
    let failure = called_by(&producer, fails).await;

    assert_eq!(number(&value).await, 3);
    assert_eq!(number(&last).await, 10);
    let Err(WaitError::Failed(exception)) = failure.get::<i64>(SCRIPT).await else {
        panic!("it did not fail")
    };
    assert_eq!((exception.kind.as_str(), &exception.args[..]), ("ValueError", &[json!("it fails")][..]));
    if backend != RPC {
        let header = || [add(&python, &[1, 1]), add(&rust, &[2, 2]), add(&python, &[3, 3])];
        for body in [sum_in_rust.clone(), sum_in_python] {
            let joined = called_by(&producer, chord(header(), body)).await;
            assert_eq!(number(&joined).await, 12);
        }
        let nested = chain((add(&rust, &[1, 1]), group([add(&python, &[1]), add(&rust, &[2])]), sum_in_rust));
        assert_eq!(number(&called_by(&producer, nested).await).await, 7);
    }
    fleet.stop().await;
    shutdown.stop();
}

#[tokio::test]
async fn python_calls_a_mixed_fleet_on_classic_queues_with_results_in_redis() {
    python_calls("mixed-py-classic", QueueType::Classic, &shared_redis_url()).await;
}

#[tokio::test]
async fn python_calls_a_mixed_fleet_on_quorum_queues_with_results_in_redis() {
    python_calls("mixed-py-quorum", QueueType::Quorum, &shared_redis_url()).await;
}

#[tokio::test]
async fn python_calls_a_mixed_fleet_on_classic_queues_with_results_through_the_broker() {
    python_calls("mixed-py-classic-rpc", QueueType::Classic, RPC).await;
}

#[tokio::test]
async fn python_calls_a_mixed_fleet_on_quorum_queues_with_results_through_the_broker() {
    python_calls("mixed-py-quorum-rpc", QueueType::Quorum, RPC).await;
}

#[tokio::test]
async fn our_producer_calls_a_mixed_fleet_on_classic_queues_with_results_in_redis() {
    rust_calls("mixed-rs-classic", QueueType::Classic, &shared_redis_url()).await;
}

#[tokio::test]
async fn our_producer_calls_a_mixed_fleet_on_quorum_queues_with_results_in_redis() {
    rust_calls("mixed-rs-quorum", QueueType::Quorum, &shared_redis_url()).await;
}

#[tokio::test]
async fn our_producer_calls_a_mixed_fleet_with_results_through_the_broker() {
    rust_calls("mixed-rs-rpc", QueueType::Classic, RPC).await;
}

/// A release of before, which only calls: what it publishes differs a little from what 5.7 does.
async fn old_release_calls(test: &str, release: &str) {
    let fleet = Fleet::start(test, QueueType::Classic, &shared_redis_url()).await;
    let old = old_python(release);

    assert_eq!(fleet.seen_by(&old, "calls").await, called());
    let workflows = fleet.seen_by(&old, "workflows").await;
    assert_eq!(workflows["chain"], 15);
    assert_eq!(workflows["sides"], json!(["rust", "python", "rust", "python"]));
    assert_eq!(fleet.seen_by(&old, "chords").await, joined());

    fleet.stop().await;
}

#[tokio::test]
async fn a_producer_of_celery_5_4_calls_a_mixed_fleet() {
    old_release_calls("mixed-5-4", "5.4").await;
}

#[tokio::test]
async fn a_producer_of_celery_5_2_calls_a_mixed_fleet() {
    old_release_calls("mixed-5-2", "5.2").await;
}
