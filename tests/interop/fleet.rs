//! A worker of ours with tasks of its own, in this process and on the real broker, among Celery's tools.
//!
//! Remote control goes to every node of a virtual host. So that tests run beside each other, each fleet has exchanges of its
//! own for it, which the Python app in `fleet.py` is told of.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postrider_core::{
    broker::{
        Broker, Namespace,
        topology::{DeadLimits, QueueType, Topology},
    },
    celery::Exception,
    clock::Clock,
    redis::RedisConfig,
    results::{ResultBackend, ResultOptions},
    shutdown::Shutdown,
    task::{Compute, Context, Registry, Retry, Run, Task, TaskError, TaskResult},
};
use postrider_tests::{
    broker::connected,
    servers::{Proc, python, shared_redis_url},
    worker::{Output, Setup, ended},
};
use postrider_worker::{ControlOptions, Options, WorkQueue, Worker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::python::PATIENCE;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A worker of ours, and what Python needs to talk to it.
pub(crate) struct Fleet {
    pub(crate) setup: Setup,
    pub(crate) namespace: Namespace,
    /// The node name of our worker.
    pub(crate) node: String,
    pub(crate) shutdown: Shutdown,
    worker: JoinHandle<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Add {
    x: i64,
    y: i64,
}

impl Task for Add {
    const NAME: &'static str = "add";
}

impl Compute<()> for Add {
    type Output = i64;

    async fn compute(self, _services: &(), _context: &Context) -> TaskResult<i64> {
        Ok(self.x + self.y)
    }
}

/// Takes so many seconds, and is acknowledged before, as Celery's tasks are.
#[derive(Debug, Serialize, Deserialize)]
struct Slow {
    seconds: f64,
}

impl Task for Slow {
    const NAME: &'static str = "slow";
    const ACKS_LATE: bool = false;
}

impl Run<()> for Slow {
    async fn run(self, _services: &(), _context: &Context) -> TaskResult {
        tokio::time::sleep(Duration::from_secs_f64(self.seconds)).await;
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Boom {
    code: String,
}

impl Task for Boom {
    const NAME: &'static str = "boom";
}

impl Run<()> for Boom {
    async fn run(self, _services: &(), _context: &Context) -> TaskResult {
        let args = vec![Value::from("bad code"), self.code.into()];
        Err(TaskError::raise(Exception::new("ValueError", "builtins", args)))
    }
}

/// Is tried once more.
#[derive(Debug, Serialize, Deserialize)]
struct Flaky {}

impl Task for Flaky {
    const NAME: &'static str = "flaky";
}

impl Compute<()> for Flaky {
    type Output = u32;

    async fn compute(self, _services: &(), context: &Context) -> TaskResult<u32> {
        if context.retries == 0 {
            return Err(Retry::after(Duration::from_secs(1)).into());
        }
        Ok(context.retries)
    }
}

/// Is refused for good.
#[derive(Debug, Serialize, Deserialize)]
struct Refuse {}

impl Task for Refuse {
    const NAME: &'static str = "refuse";
}

impl Run<()> for Refuse {
    async fn run(self, _services: &(), _context: &Context) -> TaskResult {
        Err(TaskError::reject("refused", "no", false))
    }
}

/// Holds a secret.
#[derive(Debug, Serialize, Deserialize)]
struct Login {
    password: String,
}

impl Task for Login {
    const NAME: &'static str = "login";
    const SENSITIVE: bool = true;
    const ACKS_LATE: bool = false;
}

impl Run<()> for Login {
    async fn run(self, _services: &(), _context: &Context) -> TaskResult {
        let seconds = u64::try_from(self.password.len()).unwrap_or(0) / 2;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok(())
    }
}

impl Fleet {
    /// Starts our worker.
    pub(crate) async fn start(test: &str) -> Self {
        Self::with(test, |_| ()).await
    }

    /// The same with other options.
    pub(crate) async fn with(test: &str, change: impl FnOnce(&mut Options)) -> Self {
        let (setup, shutdown) = (Setup::new(test).foreign(), Shutdown::new());
        let namespace = Namespace { control: setup.queue.clone(), events: format!("{}.events", setup.queue) };
        let node = format!("ours@{test}");
        let mut options = Options {
            name: node.clone(),
            queues: vec![WorkQueue { name: setup.queue.clone(), owned: false, returns: false }],
            concurrency: 4,
            control: ControlOptions { namespace: namespace.clone(), ..ControlOptions::default() },
            ..Options::default()
        };
        change(&mut options);
        let broker = broker(&setup, &shutdown).await;
        let redis = RedisConfig {
            url: shared_redis_url().into(),
            prefix: String::new(),
            connections: 1,
            timeout: TIMEOUT,
        };
        let results = ResultBackend::parse(&shared_redis_url())
            .expect("the address of the shared Redis")
            .open(ResultOptions::default(), &redis, &broker, false, &Clock::System, &shutdown)
            .expect("the address of the shared Redis");
        let registry = Registry::new()
            .register::<Add>()
            .register::<Slow>()
            .register::<Boom>()
            .register::<Flaky>()
            .register::<Login>()
            .register::<Refuse>();
        let worker = Worker::new(registry, Arc::new(()), broker, options)
            .expect("the tasks are good")
            .results(results, ResultOptions::default());
        let stop = shutdown.clone();
        #[expect(clippy::disallowed_methods, reason = "a test waits for it by its handle")]
        let worker = tokio::task::spawn(async move { worker.run(&stop).await });
        Self { setup, namespace, node, shutdown, worker }
    }

    /// A Python process that finds the app `fleet`.
    pub(crate) fn python(&self, args: &[&str]) -> Proc {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        let env = [
            ("PYTHONPATH", folder.to_string_lossy().into_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
            ("FLEET_BROKER", self.setup.amqp_url.clone()),
            ("FLEET_RESULTS", shared_redis_url()),
            ("FLEET_QUEUE", self.setup.queue.clone()),
            ("FLEET_CONTROL", self.namespace.control.clone()),
            ("FLEET_EVENTS", self.namespace.events.clone()),
            ("FLEET_NODE", self.node.clone()),
            ("FLOWER_UNAUTHENTICATED_API", "1".into()),
        ];
        Proc::run(&python(), args, env)
    }

    /// The queue of a worker of Python's in the same fleet.
    pub(crate) fn theirs(&self) -> String {
        format!("{}.theirs", self.setup.queue)
    }

    /// A worker of Python's with the same tasks on a queue of its own, once it works.
    pub(crate) async fn python_worker(&self, node: &str, flags: &[&str]) -> Proc {
        let queue = self.theirs();
        let args = ["-m", "celery", "-A", "fleet", "worker", "-l", "info", "-n", node, "-Q", &queue];
        let mut worker = self.python(&[&args[..], flags].concat());
        worker.wait_for_line(|line| line.trim_end().ends_with("ready."), PATIENCE).await;
        worker
    }

    /// Runs lines of Python to their end; they must end well.
    pub(crate) async fn run(&self, lines: &str) -> String {
        let Output { status, text } = ended(self.python(&["-c", lines])).await;
        assert!(status.success(), "{text}");
        text
    }

    /// `celery -A fleet` with these words, and how it ended.
    pub(crate) async fn celery(&self, words: &str) -> Output {
        let words: Vec<&str> = words.split(' ').collect();
        ended(self.python(&[&["-m", "celery", "-A", "fleet", "--no-color"][..], &words].concat())).await
    }

    /// Waits until our worker has stopped by itself. Whether it stopped in order.
    pub(crate) async fn stopped(self) -> bool {
        let ended = self.worker.await.expect("it does not panic");
        self.setup.clean_up().await;
        ended
    }

    /// Stops our worker, which must stop in order.
    pub(crate) async fn stop(self) {
        self.shutdown.stop();
        assert!(self.stopped().await);
    }
}

/// A client's connection to the broker.
pub(crate) async fn client(setup: &Setup) -> Broker {
    broker(setup, &Shutdown::new()).await
}

/// The broker, with what the worker needs on it.
async fn broker(setup: &Setup, shutdown: &Shutdown) -> Broker {
    let dead = DeadLimits { max_length: 100_000, max_age: Duration::from_hours(336) };
    let topology = Topology::default()
        .dead_queue(QueueType::default(), dead)
        .foreign_queue(&setup.queue)
        .unclaimed_queue(&setup.queue)
        .delay_ladder(QueueType::default(), [setup.queue.as_str()]);
    connected(&setup.amqp_url, topology, shutdown).await
}
