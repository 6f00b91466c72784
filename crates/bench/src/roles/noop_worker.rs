//! Our worker with a task that does nothing: the engine as anybody links it, with its defaults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postrider_core::broker::Broker;
use postrider_core::clock::Clock;
use postrider_core::config::{LogFormat, LogSection};
use postrider_core::redis::RedisConfig;
use postrider_core::results::{ResultBackend, ResultOptions};
use postrider_core::shutdown::Shutdown;
use postrider_core::task::{Context, Registry, Run, TaskResult};
use postrider_core::telemetry;
use postrider_worker::{ControlOptions, Options, WorkQueue, Worker};
use secrecy::SecretString;

use crate::rig::broker::Queue;
use crate::rig::noop::Noop;

/// What to consume, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    queue: Queue,
    /// Tasks at once.
    #[arg(short = 'c', long, default_value_t = 1000)]
    concurrency: usize,
    /// Says what its tasks do, as with `-E`.
    #[arg(long)]
    events: bool,
    /// The Redis that keeps a result for every task; without it none is kept.
    #[arg(long, default_value = "")]
    results: String,
}

/// Counts the runs.
#[derive(Default)]
struct Runs(AtomicU64);

impl Run<Runs> for Noop {
    async fn run(self, runs: &Runs, _cx: &Context) -> TaskResult {
        runs.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "the count of runs is what the caller asks for")]
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::init(&LogSection { level: "info".into(), format: LogFormat::Text })?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let runs = Arc::new(Runs::default());
    let broker = args.queue.broker("bench noop", &shutdown);
    let options = Options {
        name: "bench".into(),
        queues: vec![WorkQueue {
            name: args.queue.name.clone(),
            owned: args.queue.quorum,
            returns: args.queue.quorum,
        }],
        concurrency: args.concurrency,
        drain_timeout: Duration::from_secs(5),
        control: ControlOptions { task_events: args.events, ..ControlOptions::default() },
        ..Options::default()
    };
    let broker = Broker::Amqp(broker);
    let kept = ResultOptions::default();
    let backend = ResultBackend::parse(&args.results).map_err(anyhow::Error::msg)?;
    let results = backend.open(kept.clone(), &redis(), &broker, false, &Clock::System, &shutdown)?;
    let registry = Registry::new().register::<Noop>();
    let worker = Worker::new(registry, Arc::clone(&runs), broker, options)?.results(results, kept);
    anyhow::ensure!(worker.run(&shutdown).await, "the worker did not drain");
    println!("executed {}", runs.0.load(Ordering::Relaxed));
    Ok(())
}

/// With the numbers of the shipped configuration; the address is the results' own.
fn redis() -> RedisConfig {
    RedisConfig {
        url: SecretString::default(),
        prefix: String::new(),
        connections: 2,
        timeout: Duration::from_secs(1),
    }
}
