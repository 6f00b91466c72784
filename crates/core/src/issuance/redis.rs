//! Slot and code on Redis: `issue.lua`, one atomic step.

use std::sync::LazyLock;

use crate::clock::millis;
use crate::codes::{NewCode, RETENTION, RedisCodes};
use crate::redis::{Redis, Script, StoreError};
use crate::throttle::{Asker, Decision, RedisThrottle, TAKE_SLOT};

static ISSUE: LazyLock<Script> = LazyLock::new(|| Script::behind(TAKE_SLOT, include_str!("issue.lua")));

/// Slots and codes on Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisIssuance {
    redis: Redis,
    throttle: RedisThrottle,
    codes: RedisCodes,
}

impl RedisIssuance {
    /// What this throttle grants, kept among these codes, all on this Redis.
    pub fn new(redis: Redis, throttle: RedisThrottle, codes: RedisCodes) -> Self {
        Self { redis, throttle, codes }
    }

    pub(super) async fn issue(&self, asker: Asker, code: &NewCode) -> Result<Decision, StoreError> {
        let mut keys = Vec::from(self.codes.keys(code));
        let mut args = vec![
            self.redis.now_argument(),
            code.id.to_string().into(),
            code.app.as_str().into(),
            code.purpose.as_str().into(),
            code.to.as_str().into(),
            code.mac.as_str().into(),
            millis(code.ttl).into(),
            i64::from(code.max_checks).into(),
            millis(RETENTION).into(),
        ];
        self.throttle.describe(&asker, &mut keys, &mut args);
        let answer: Vec<i64> = self.redis.invoke(&ISSUE, &keys, &args).await?;
        self.throttle.decision(asker, &answer).ok_or(StoreError::Answer("issue.lua"))
    }
}
