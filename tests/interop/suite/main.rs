//! A worker on the library with the tasks of Celery's own integration tests, under their names and with their results.
//!
//! `scripts/interop` runs those tests against it in the place of the Celery worker that they start, and the tests of this
//! folder use it as the Rust half of a mixed fleet. It keeps to what a user of the library has: nothing here reaches into
//! the engine. How it is told what to do: see [`Settings`].

mod declare;
mod redis;
mod settings;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use postrider_core::broker::topology::{DeadLimits, QueueSpec, QueueType, Topology};
use postrider_core::broker::{AmqpBroker, AmqpConfig, Broker};
use postrider_core::clock::Clock;
use postrider_core::config::{LogFormat, LogSection};
use postrider_core::redis::RedisConfig;
use postrider_core::results::{ResultBackend, ResultOptions};
use postrider_core::shutdown::Shutdown;
use postrider_core::telemetry;
use postrider_worker::{ControlOptions, IntakeOptions, Options, Prefetch, WorkQueue, Worker};

use crate::declare::Services;
use crate::redis::Redis;
use crate::settings::Settings;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Those of the SMS worker, with which it may share a broker.
const DEAD: DeadLimits = DeadLimits { max_length: 100_000, max_age: Duration::from_hours(336) };

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::read()?;
    telemetry::init(&LogSection { level: settings.log.clone(), format: LogFormat::Text })?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let amqp = AmqpConfig {
        url: settings.broker.as_str().into(),
        name: settings.node.clone(),
        heartbeat: TIMEOUT,
        connect_timeout: TIMEOUT,
        publish_timeout: TIMEOUT,
        declare: true,
    };
    let queues: Vec<QueueSpec> = settings.queues.iter().map(|name| queue(name, settings.quorum)).collect();
    let topology = queues.iter().fold(Topology::default(), Topology::queue);
    let names = settings.queues.iter().map(String::as_str);
    let topology =
        topology.dead_queue(QueueType::Quorum, DEAD).probe_queue().delay_ladder(QueueType::Quorum, names);
    let broker = Broker::Amqp(AmqpBroker::start(amqp, topology, &shutdown));
    let any_redis = RedisConfig {
        url: settings.redis.as_str().into(),
        prefix: String::new(),
        connections: 2,
        timeout: TIMEOUT,
    };
    let result_options = ResultOptions { extended: true, ..ResultOptions::default() };
    let results = ResultBackend::parse(&settings.backend)?.open(
        result_options.clone(),
        &any_redis,
        &broker,
        false,
        &Clock::System,
        &shutdown,
    )?;
    let services = Services::new(Redis::new(&settings.redis)?, results.clone(), settings.tells.clone());
    let options = Options {
        name: settings.node.clone(),
        queues: settings
            .queues
            .iter()
            .map(|name| WorkQueue { name: name.clone(), owned: false, returns: false })
            .collect(),
        concurrency: settings.concurrency,
        intake: IntakeOptions {
            prefetch: Prefetch::Times(4),
            known: queues,
            refuse_shared: false,
            ..IntakeOptions::default()
        },
        // As a Celery worker does, which drops the message of a task that failed.
        dead_letters: false,
        drain_timeout: TIMEOUT,
        control: ControlOptions { task_events: true, ..ControlOptions::default() },
        shown_settings: settings.shown(),
        ..Options::default()
    };
    let worker = Worker::new(tasks::registry(), Arc::new(services), broker, options)?;
    let drained = worker.results(results, result_options).run(&shutdown).await;
    if drained { Ok(()) } else { Err("stopped before all tasks were done".into()) }
}

/// A queue as Python declares it.
fn queue(name: &str, quorum: bool) -> QueueSpec {
    let kind = if quorum { QueueType::Quorum } else { QueueType::Classic };
    QueueSpec { kind, ..QueueSpec::foreign(name) }
}
