//! The wiring, top to bottom: keys, servers, checks, services, worker.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use postrider_core::backends::EvictionGuard;
use postrider_core::broker::{AmqpBroker, Broker, Liveness, TopologyError};
use postrider_core::clock::Clock;
use postrider_core::codes::{Codes, RedisCodes};
use postrider_core::config::ConfigError;
use postrider_core::notify::{self, Condition};
use postrider_core::redis::Redis;
use postrider_core::shutdown::Shutdown;
use postrider_core::{metrics, telemetry};
use postrider_delivery::handlers;
use postrider_delivery::send::Services;
use postrider_delivery::send_record::{RedisRecords, SendRecords};
use postrider_worker::Worker;

use super::answer::Failure;
use super::config::Settings;

/// Runs the worker until it is stopped.
pub(crate) async fn worker(settings: &Settings) -> Result<(), Failure> {
    telemetry::init(&settings.log)?;
    let keys = settings.keys.seal()?;
    let amqp = settings.amqp()?;
    let (provider, policy) = settings.provider()?;
    if provider.name() == "console" {
        tracing::warn!(
            "sms.provider = \"console\": codes and numbers are printed on standard output, nothing is sent"
        );
    }
    if let Some(warning) = settings.classic_warning() {
        tracing::warn!("{warning}");
    }
    let redis =
        Redis::new(&settings.redis.client()?).map_err(|reason| ConfigError::key("redis.url", reason))?;
    let shutdown = Shutdown::new();
    shutdown.spawn(redis.clone().watch(shutdown.soft().clone()));
    shutdown.on_signals().context("cannot listen for signals")?;
    let metrics_listen = settings.metrics_listen()?;

    // Redis first: without send records nothing may be sent, and a server that evicts them keeps none.
    let eviction = EvictionGuard::check(&redis, settings.redis.eviction, &shutdown).await?;
    let clock = Clock::System;
    let broker = AmqpBroker::start(amqp, settings.topology(), &shutdown);
    if let Err(error @ TopologyError::Mismatch(..)) = broker.first_look().await {
        return Err(ConfigError::key("topology", error.to_string()).into());
    }

    // Only now: a port is bound by a configuration that can be used.
    if let Some(listen) = metrics_listen {
        metrics::serve(listen).with_context(|| format!("metrics.listen: cannot listen on {listen}"))?;
    }
    let services = Services {
        provider,
        records: SendRecords::Redis(RedisRecords::new(redis.clone())),
        codes: Codes::Redis(RedisCodes::new(redis)),
        keys: keys.clone(),
        policy,
    };
    let worker = Worker {
        registry: handlers::registry(),
        services: Arc::new(services),
        broker: Broker::Amqp(broker),
        keys: Some(keys),
        options: settings.options(),
        clock,
    };
    let queues: Vec<String> = worker.options.queues.iter().map(|queue| queue.name.clone()).collect();
    let drained = worker.run_watched(&shutdown, |live| tell(&shutdown, live, queues.join(", "))).await;
    eviction.verdict()?;
    if drained {
        Ok(())
    } else {
        Err(anyhow!("stopped before all tasks were done; they are back in their queues").into())
    }
}

/// Tells the service manager whether it works: it is ready when it first holds a live consumer.
fn tell(shutdown: &Shutdown, live: Liveness, queues: String) {
    notify::follow(shutdown, "Stopping: taking nothing more, finishing the tasks that run", move || {
        let ready = live.is_live();
        let doing = if ready { "Consuming from" } else { "Not ready: RabbitMQ does not answer; waiting for" };
        std::future::ready(Condition { ready, status: format!("{doing} {queues}") })
    });
}
