//! The one place that picks what is in memory and what is real.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::broker::topology::Topology;
use crate::broker::{AmqpBroker, AmqpConfig, Broker, MemoryBroker};
use crate::captchas::{CaptchaRules, Captchas, MemoryCaptchas, RedisCaptchas};
use crate::clock::Clock;
use crate::codes::{Codes, MemoryCodes, RedisCodes};
use crate::config::{ConfigError, EvictionRule};
use crate::issuance::{Issuance, MemoryIssuance, RedisIssuance};
use crate::redis::{Eviction, Redis, RedisConfig};
use crate::shutdown::Shutdown;
use crate::throttle::{Limits, MemoryThrottle, RedisThrottle, Throttle, Window};

/// A broker and the stores, memory or real.
#[derive(Debug, Clone)]
pub struct Backends {
    /// Carries the tasks.
    pub broker: Broker,
    /// Grants sends.
    pub throttle: Throttle,
    /// Keeps codes.
    pub codes: Codes,
    /// Grants a send and keeps its code.
    pub issuance: Issuance,
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
        shutdown: &Shutdown,
    ) -> Result<Self, ConfigError> {
        let redis = Redis::new(redis).map_err(|reason| ConfigError::key("redis.url", reason))?;
        shutdown.spawn(redis.clone().watch(shutdown.soft().clone()));
        let throttle = RedisThrottle::new(redis.clone(), limits);
        let codes = RedisCodes::new(redis.clone());
        Ok(Self {
            broker: Broker::Amqp(AmqpBroker::start(amqp, topology, shutdown)),
            throttle: Throttle::Redis(throttle.clone()),
            codes: Codes::Redis(codes.clone()),
            issuance: Issuance::Redis(RedisIssuance::new(redis.clone(), throttle, codes)),
            redis: Some(redis),
        })
    }

    /// Another throttle on the same store, with windows for addresses alone.
    pub fn address_throttle(&self, windows: Vec<Window>, clock: &Clock) -> Throttle {
        let limits = Limits { number: Vec::new(), ip: windows };
        match &self.redis {
            Some(redis) => Throttle::Redis(RedisThrottle::new(redis.clone(), limits)),
            None => Throttle::Memory(MemoryThrottle::new(limits, clock.clone())),
        }
    }

    /// The pictures that wait for an answer, on the same store.
    pub fn captchas(&self, rules: CaptchaRules, clock: &Clock) -> Captchas {
        match &self.redis {
            Some(redis) => Captchas::Redis(RedisCaptchas::new(redis.clone(), rules)),
            None => Captchas::Memory(MemoryCaptchas::new(rules, clock.clone())),
        }
    }

    /// All in this process.
    pub fn memory(limits: Limits, clock: &Clock, shutdown: &Shutdown) -> Self {
        let throttle = MemoryThrottle::new(limits, clock.clone());
        let codes = MemoryCodes::new(clock.clone());
        Self {
            broker: Broker::Memory(MemoryBroker::new(shutdown)),
            throttle: Throttle::Memory(throttle.clone()),
            codes: Codes::Memory(codes.clone()),
            issuance: Issuance::Memory(MemoryIssuance::new(throttle, codes)),
            redis: None,
        }
    }
}

/// Holds a process back from working on a Redis that may evict what it is given.
///
/// Under any eviction policy a throttle's window can vanish before its time, and the limit with it.
#[derive(Debug, Clone, Default)]
pub struct EvictionGuard(Arc<OnceLock<String>>);

impl EvictionGuard {
    /// Checks now if Redis answers. If it does not, the check follows as soon as it does, and stops the process when it
    /// fails; [`EvictionGuard::verdict`] then says why.
    pub async fn check(redis: &Redis, rule: EvictionRule, shutdown: &Shutdown) -> Result<Self, ConfigError> {
        let this = Self::default();
        match redis.eviction().await {
            Ok(eviction) => this.judge(eviction, rule)?,
            Err(error) => {
                tracing::warn!(%error, "Redis does not answer yet");
                let (guard, redis, shutdown_now) = (this.clone(), redis.clone(), shutdown.clone());
                shutdown.spawn(async move { guard.check_later(&redis, rule, &shutdown_now).await });
            }
        }
        Ok(this)
    }

    /// The reason why the process was stopped, if it was.
    pub fn verdict(&self) -> Result<(), ConfigError> {
        match self.0.get() {
            Some(reason) => Err(ConfigError::key("redis.eviction", reason.clone())),
            None => Ok(()),
        }
    }

    async fn check_later(&self, redis: &Redis, rule: EvictionRule, shutdown: &Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.soft().cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            if let Ok(eviction) = redis.eviction().await {
                if let Err(error) = self.judge(eviction, rule) {
                    tracing::error!(%error, "stopping");
                    shutdown.stop();
                }
                return;
            }
        }
    }

    fn judge(&self, eviction: Eviction, rule: EvictionRule) -> Result<(), ConfigError> {
        match eviction {
            Eviction::Never => {}
            Eviction::Policy(policy) if rule == EvictionRule::Accepted => {
                tracing::warn!(%policy, "Redis may evict limits and records before their time; the configuration accepts it");
            }
            Eviction::Policy(policy) => {
                let reason = format!(
                    "the Redis server evicts keys ({policy}), and an evicted limit does not hold: run `CONFIG SET \
                     maxmemory-policy noeviction` there and put it into its redis.conf, or set redis.eviction = \
                     \"accepted\""
                );
                self.0.get_or_init(|| reason);
            }
            Eviction::Unknown => {
                metrics::gauge!("postrider_redis_eviction_unknown").set(1.0);
                tracing::warn!(
                    "Redis does not say whether it evicts keys: its maxmemory-policy must be noeviction"
                );
            }
        }
        self.verdict()
    }
}
