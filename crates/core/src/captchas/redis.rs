//! Pictures' texts on Redis: each operation is one script.

use std::sync::LazyLock;

use uuid::Uuid;

use super::{CaptchaRules, Put};
use crate::clock::{duration_from_millis, millis};
use crate::redis::{Arg, Redis, Script, StoreError};

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("put.lua")));
static PEEK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("peek.lua")));
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// Sealed texts on Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisCaptchas {
    redis: Redis,
    rules: CaptchaRules,
}

impl RedisCaptchas {
    /// The pictures on this Redis.
    pub fn new(redis: Redis, rules: CaptchaRules) -> Self {
        Self { redis, rules }
    }

    pub(super) async fn put(&self, id: Uuid, sealed: &str) -> Result<Put, StoreError> {
        let args: [Arg; 5] = [
            self.redis.now_argument(),
            id.to_string().into(),
            sealed.into(),
            millis(self.rules.ttl).into(),
            self.rules.max.into(),
        ];
        let answer: Vec<i64> = self.redis.invoke(&PUT, &self.both_keys(id), &args).await?;
        match answer[..] {
            [1] => Ok(Put::Kept),
            [0, wait] => Ok(Put::Full { retry_after: duration_from_millis(wait) }),
            _ => Err(StoreError::Answer("put.lua")),
        }
    }

    pub(super) async fn peek(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        let key = [self.redis.captcha_key(&id.to_string())];
        self.redis.invoke(&PEEK, &key, &[self.redis.now_argument()]).await
    }

    pub(super) async fn take(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        let args = [self.redis.now_argument(), id.to_string().into()];
        self.redis.invoke(&TAKE, &self.both_keys(id), &args).await
    }

    fn both_keys(&self, id: Uuid) -> [String; 2] {
        [self.redis.captcha_key(&id.to_string()), self.redis.captchas_key()]
    }
}
