//! Keeps codes whatever the limits say, for tests that are about the codes alone.

use std::ops::Deref;
use std::time::Duration;

use postrider_core::clock::Clock;
use postrider_core::codes::{Codes, MemoryCodes, NewCode, RedisCodes};
use postrider_core::issuance::{Issuance, MemoryIssuance, RedisIssuance};
use postrider_core::redis::{Redis, StoreError};
use postrider_core::throttle::{Asker, Decision, Limits, MemoryThrottle, RedisThrottle, Window};
use uuid::Uuid;

/// The gap between two codes of one number.
pub const GAP: Duration = Duration::from_mins(1);

/// Codes, and how they get there.
#[derive(Debug, Clone)]
pub struct Issuer {
    codes: Codes,
    issuance: Issuance,
}

impl Issuer {
    /// On this Redis.
    pub fn redis(redis: &Redis) -> Self {
        let codes = RedisCodes::new(redis.clone());
        let throttle = RedisThrottle::new(redis.clone(), limits());
        let issuance = Issuance::Redis(RedisIssuance::new(redis.clone(), throttle, codes.clone()));
        Self { codes: Codes::Redis(codes), issuance }
    }

    /// In memory.
    pub fn memory(clock: &Clock) -> Self {
        let codes = MemoryCodes::new(clock.clone());
        let throttle = MemoryThrottle::new(limits(), clock.clone());
        let issuance = Issuance::Memory(MemoryIssuance::new(throttle, codes.clone()));
        Self { codes: Codes::Memory(codes), issuance }
    }

    /// Keeps a code, asked for by a number of its own.
    pub async fn issue(&self, code: &NewCode) -> Result<(), StoreError> {
        let asker = Asker { number: vec![Uuid::new_v4().simple().to_string()], ip: Vec::new() };
        let decision = self.issuance.issue(asker, code).await?;
        assert!(matches!(decision, Decision::Granted(_)), "{decision:?}");
        Ok(())
    }
}

impl Deref for Issuer {
    type Target = Codes;

    fn deref(&self) -> &Codes {
        &self.codes
    }
}

fn limits() -> Limits {
    Limits { number: vec![Window { window: GAP, max: 1 }], ip: Vec::new() }
}
