//! The wiring, top to bottom: keys, servers, checks, services, worker.

use std::sync::Arc;

use postrider_core::backends::EvictionGuard;
use postrider_core::codes::{Codes, RedisCodes};
use postrider_core::config::ConfigError;
use postrider_core::redis::Redis;
use postrider_delivery::send::Services;
use postrider_delivery::send_record::{RedisRecords, SendRecords};
use postrider_worker::cli::{End, Failure, Flags, Process};

use super::config::Settings;

/// Runs the worker until it is stopped.
pub(crate) async fn worker(settings: &Settings, flags: &Flags) -> Result<End, Failure> {
    let engine = &settings.engine;
    let process = Process::begin(engine, flags)?;
    let keys = settings.keys.seal()?;
    let (provider, policy) = settings.provider()?;
    if provider.name() == "console" {
        tracing::warn!(
            "sms.provider = \"console\": codes and numbers are printed on standard output, nothing is sent"
        );
    }
    let redis =
        Redis::new(&settings.redis.client()?).map_err(|reason| ConfigError::key("redis.url", reason))?;
    let shutdown = process.shutdown();
    shutdown.spawn(redis.clone().watch(shutdown.soft().clone()));

    // Redis first: without send records nothing may be sent, and a server that evicts them keeps none.
    let eviction = EvictionGuard::check(&redis, settings.redis.eviction, shutdown).await?;
    let broker = process.connect(engine).await?;
    let services = Arc::new(Services {
        provider,
        records: SendRecords::Redis(RedisRecords::new(redis.clone())),
        codes: Codes::Redis(RedisCodes::new(redis)),
        keys: keys.clone(),
        policy,
    });
    let ended = process.work(engine, settings.registry(), services, broker, Some(keys)).await;
    eviction.verdict()?;
    ended
}
