//! A throttle, codes and what issues them, on one place; and what keeps codes whatever the limits say.

use std::ops::Deref;
use std::time::Duration;

use postrider_core::clock::Clock;
use postrider_core::codes::{Codes, MemoryCodes, NewCode, RedisCodes};
use postrider_core::issuance::{Issuance, MemoryIssuance, RedisIssuance};
use postrider_core::redis::{Redis, StoreError};
use postrider_core::throttle::{Asker, Decision, Limits, MemoryThrottle, RedisThrottle, Throttle, Window};
use uuid::Uuid;

/// What a code is issued by, and the two stores that it writes to.
#[derive(Debug, Clone)]
pub struct IssueStores {
    /// Grants a send and keeps its code.
    pub issuance: Issuance,
    /// Counts the sends.
    pub throttle: Throttle,
    /// Keeps the codes.
    pub codes: Codes,
}

impl IssueStores {
    /// In memory.
    pub fn memory(limits: &Limits, clock: &Clock) -> Self {
        let (throttle, codes) =
            (MemoryThrottle::new(limits.clone(), clock.clone()), MemoryCodes::new(clock.clone()));
        Self {
            issuance: Issuance::Memory(MemoryIssuance::new(throttle.clone(), codes.clone())),
            throttle: Throttle::Memory(throttle),
            codes: Codes::Memory(codes),
        }
    }

    /// On this Redis.
    pub fn redis(limits: &Limits, redis: &Redis) -> Self {
        let (throttle, codes) =
            (RedisThrottle::new(redis.clone(), limits.clone()), RedisCodes::new(redis.clone()));
        Self {
            issuance: Issuance::Redis(RedisIssuance::new(redis.clone(), throttle.clone(), codes.clone())),
            throttle: Throttle::Redis(throttle),
            codes: Codes::Redis(codes),
        }
    }
}

/// The gap between two codes of one number.
pub const GAP: Duration = Duration::from_mins(1);

/// Codes, and how they get there.
#[derive(Debug, Clone)]
pub struct Issuer(IssueStores);

impl Issuer {
    /// On the stores that are made for such limits.
    pub fn new(stores: impl FnOnce(&Limits) -> IssueStores) -> Self {
        Self(stores(&Limits { number: vec![Window { window: GAP, max: 1 }], ip: Vec::new() }))
    }

    /// Keeps a code, asked for by a number of its own.
    pub async fn issue(&self, code: &NewCode) -> Result<(), StoreError> {
        let asker = Asker { number: vec![Uuid::new_v4().simple().to_string()], ip: Vec::new() };
        let decision = self.0.issuance.issue(asker, code).await?;
        assert!(matches!(decision, Decision::Granted(_)), "{decision:?}");
        Ok(())
    }
}

impl Deref for Issuer {
    type Target = Codes;

    fn deref(&self) -> &Codes {
        &self.0.codes
    }
}
