//! A worker that somebody builds on the library: its command line, and what becomes of a blocking task that cannot be
//! stopped.

use std::{path::Path, time::Duration};

use postrider_core::{
    broker::{AmqpBroker, AmqpConfig, Broker, topology::Topology},
    celery::Call,
    clock::Clock,
    producer::Producer,
    redis::RedisConfig,
    results::{ResultBackend, ResultOptions, WaitError},
    shutdown::Shutdown,
};
use postrider_tests::{
    servers::{Proc, bin, shared_amqp_url, shared_redis_url},
    worker::{PATIENCE, Setup, ended},
};

use super::SOON;

/// A queue and what calls tasks there.
struct Shop {
    setup: Setup,
    producer: Producer,
    shutdown: Shutdown,
}

impl Shop {
    fn open(test: &str) -> Self {
        let setup = Setup::new(test).foreign();
        let shutdown = Shutdown::new();
        let seconds = Duration::from_secs;
        let config = AmqpConfig {
            url: shared_amqp_url().into(),
            name: "shop".into(),
            heartbeat: seconds(5),
            connect_timeout: seconds(3),
            publish_timeout: seconds(3),
            declare: true,
        };
        let broker = Broker::Amqp(AmqpBroker::start(config, Topology::default(), &shutdown));
        let redis = RedisConfig {
            url: shared_redis_url().into(),
            prefix: String::new(),
            connections: 1,
            timeout: seconds(3),
        };
        let results = ResultBackend::parse(&shared_redis_url())
            .expect("the address of a Redis")
            .open(ResultOptions::default(), &redis, &broker, true, &Clock::System, &shutdown)
            .expect("the store opens");
        let producer = Producer::new(broker, Clock::System, "shop").with_results(results);
        Self { setup, producer, shutdown }
    }

    /// The example's worker on that queue, once it consumes.
    async fn worker(&self, flags: &[&str], env: &[(&str, &str)]) -> Proc {
        let (broker, results) = (shared_amqp_url(), shared_redis_url());
        let node = format!("{}@shop", self.setup.queue);
        let line = [
            "-A",
            "shop",
            "worker",
            "-b",
            &broker,
            "--result-backend",
            &results,
            "-n",
            &node,
            "-Q",
            &self.setup.queue,
        ];
        let mut worker = Proc::run(
            Path::new(&bin("examples/celery_worker")),
            [&line, flags].concat(),
            env.iter().copied(),
        );
        worker
            .wait_for_line(|line| line.contains("consuming") && line.contains(&self.setup.queue), PATIENCE)
            .await;
        worker
    }

    fn task(&self, name: &str) -> Call {
        Call::new(name).option("queue", self.setup.queue.as_str())
    }

    async fn add(&self) -> i64 {
        let call = self.task("tasks.add").arg(1).arg(2);
        let called = self.producer.call(call).await.expect("the broker takes it");
        called.get(SOON).await.expect("the worker adds")
    }

    async fn close(self, mut worker: Proc) -> String {
        worker.sigterm();
        let output = ended(worker).await;
        assert!(output.status.success(), "{}", output.text);
        self.shutdown.stop();
        self.setup.clean_up().await;
        output.text
    }
}

#[tokio::test]
async fn a_worker_of_ones_own_has_celerys_command_line() {
    let shop = Shop::open("own");
    let worker = shop.worker(&["-P", "threads", "-c", "2", "-l", "info"], &[]).await;

    assert_eq!(shop.add().await, 3);

    let log = shop.close(worker).await;
    assert!(log.contains("-A shop: ignored") && log.contains("concurrency=2"), "{log}");
}

#[tokio::test]
async fn too_many_stuck_threads_make_the_worker_start_anew_in_the_same_process() {
    let shop = Shop::open("stuck");
    let env = [("POSTRIDER__WORKER__STUCK_THREADS", "1")];
    let mut worker = shop.worker(&["--time-limit", "0.5"], &env).await;
    let (pid, before) = (worker.pid(), worker.line_count());

    let nap = shop.producer.call(shop.task("tasks.nap").arg(3600)).await.unwrap();
    let failed = nap.get::<()>(SOON).await;

    let Err(WaitError::Failed(exception)) = failed else { panic!("{failed:?}") };
    assert_eq!(exception.kind, "TimeLimitExceeded");
    worker.wait_for_line_after(before, |line| line.contains("worker starts"), PATIENCE).await;
    assert_eq!(worker.pid(), pid);
    assert_eq!(shop.add().await, 3);
    let stopping = std::time::Instant::now();
    shop.close(worker).await;
    assert!(stopping.elapsed() < Duration::from_secs(20), "nothing waits for a thread that is stuck");
}
