//! The one place that picks what is in memory and what is real.

use crate::broker::topology::Topology;
use crate::broker::{AmqpBroker, AmqpConfig, Broker, MemoryBroker};
use crate::clock::Clock;
use crate::codes::{Codes, MemoryCodes, RedisCodes};
use crate::config::{ConfigError, EvictionRule};
use crate::redis::{Eviction, Redis, RedisConfig, StoreError};
use crate::shutdown::Shutdown;
use crate::throttle::{Limits, MemoryThrottle, RedisThrottle, Throttle};

/// A broker and the stores, memory or real.
#[derive(Debug, Clone)]
pub struct Backends {
    /// Carries the tasks.
    pub broker: Broker,
    /// Grants sends.
    pub throttle: Throttle,
    /// Keeps codes.
    pub codes: Codes,
    /// The Redis behind the stores; `None` in memory.
    pub redis: Option<Redis>,
}

impl Backends {
    /// RabbitMQ and Redis. Connects in the background.
    pub fn real(
        amqp: AmqpConfig,
        topology: Topology,
        redis: &RedisConfig,
        limits: Limits,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> Result<Self, ConfigError> {
        let redis = Redis::new(redis).map_err(|reason| ConfigError::key("redis.url", reason))?;
        Ok(Self {
            broker: Broker::Amqp(AmqpBroker::start(amqp, topology, clock, shutdown)),
            throttle: Throttle::Redis(RedisThrottle::new(redis.clone(), limits)),
            codes: Codes::Redis(RedisCodes::new(redis.clone())),
            redis: Some(redis),
        })
    }

    /// All in this process.
    pub fn memory(limits: Limits, clock: &Clock, shutdown: &Shutdown) -> Self {
        Self {
            broker: Broker::Memory(MemoryBroker::new(shutdown)),
            throttle: Throttle::Memory(MemoryThrottle::new(limits, clock.clone())),
            codes: Codes::Memory(MemoryCodes::new(clock.clone())),
            redis: None,
        }
    }
}

/// Makes sure that Redis keeps what it is given. An error of the store means that it could not be asked yet.
///
/// Under any eviction policy a throttle's window can vanish before its time, and the limit with it.
pub async fn check_eviction(
    redis: &Redis,
    rule: EvictionRule,
) -> Result<Result<(), ConfigError>, StoreError> {
    Ok(match redis.eviction().await? {
        Eviction::Never => Ok(()),
        Eviction::Policy(policy) if rule == EvictionRule::Accepted => {
            tracing::warn!(%policy, "Redis may evict limits and codes before their time; the configuration accepts it");
            Ok(())
        }
        Eviction::Policy(policy) => Err(ConfigError::key(
            "redis.eviction",
            format!(
                "the Redis server evicts keys ({policy}), and an evicted limit does not hold: run `CONFIG SET \
                 maxmemory-policy noeviction` there and put it into its redis.conf, or set redis.eviction = \"accepted\""
            ),
        )),
        Eviction::Unknown => {
            metrics::gauge!("postrider_redis_eviction_unknown").set(1.0);
            tracing::warn!(
                "Redis does not say whether it evicts keys: make sure that maxmemory-policy is noeviction"
            );
            Ok(())
        }
    })
}
