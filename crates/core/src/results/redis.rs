//! Results on Redis, by the names and in the form of Celery's `redis://` backend: each operation is one script.
//!
//! Waiting is by the channel of the result's name ([`super::pubsub`]). The Redis may be another than Postrider's own, and
//! Python's workers and callers may use it at the same time.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use deadpool_redis::redis::FromRedisValue;

use super::waiters::Waiters;
use super::{Meta, ResultError, ResultOptions, WaitError};
use super::{patience::patiently, pubsub};
use crate::redis::{Arg, Redis, RedisConfig, Script, StoreError};
use crate::shutdown::Shutdown;

static STORE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("store.lua")));
static GET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("get.lua")));
static REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("remove.lua")));

/// Results on Redis. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RedisResults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    redis: Redis,
    options: ResultOptions,
    waiters: Waiters,
}

impl RedisResults {
    /// The results on that Redis. Connects at the first use; the channels have a connection of their own, made when
    /// somebody waits.
    pub fn start(
        config: &RedisConfig,
        options: ResultOptions,
        shutdown: &Shutdown,
    ) -> Result<Self, ResultError> {
        let unavailable = |reason: String| ResultError::Store(StoreError::Unavailable(reason));
        let redis = Redis::new(config).map_err(unavailable)?;
        let waiters = pubsub::start(config, shutdown).map_err(unavailable)?;
        Ok(Self(Arc::new(Inner { redis, options, waiters })))
    }

    /// What holds for every result.
    pub fn options(&self) -> &ResultOptions {
        &self.0.options
    }

    /// The Redis under it.
    pub fn redis(&self) -> &Redis {
        &self.0.redis
    }

    pub(super) async fn store(&self, meta: &Meta, if_unstarted: bool) -> Result<bool, ResultError> {
        let key = [Redis::result_key(&meta.id)];
        let args: [Arg; 3] =
            [meta.write().into(), self.expires(), if if_unstarted { "1" } else { "0" }.into()];
        let patience = self.0.options.patience_for(&meta.state);
        let kept: i64 =
            patiently(patience, || async { Ok(self.0.redis.invoke(&STORE, &key, &args).await?) }).await?;
        Ok(kept == 1)
    }

    pub(super) async fn get(&self, id: &str) -> Result<Option<Meta>, ResultError> {
        let mut values = self.values(&[Redis::result_key(id)]).await?;
        match values.pop() {
            None => Err(StoreError::Answer("get.lua").into()),
            Some(bytes) if bytes.is_empty() => Ok(None),
            Some(bytes) => Meta::read(&bytes).map(Some).ok_or_else(|| ResultError::Unreadable(id.to_owned())),
        }
    }

    pub(super) async fn wait(&self, id: &str, within: Duration) -> Result<Meta, WaitError> {
        self.0.waiters.wait(id, within, || self.get(id)).await
    }

    pub(super) async fn forget(&self, id: &str) -> Result<(), ResultError> {
        let _: i64 = self.0.redis.invoke(&REMOVE, &[Redis::result_key(id)], &[]).await?;
        Ok(())
    }

    /// What is kept under each key; empty where there is nothing.
    pub(super) async fn values(&self, keys: &[String]) -> Result<Vec<Vec<u8>>, ResultError> {
        Ok(self.0.redis.invoke(&GET, keys, &[]).await?)
    }

    /// Runs a script, and tries again while Redis does not answer.
    pub(super) async fn invoke<T: FromRedisValue + Send>(
        &self,
        script: &Script,
        keys: &[String],
        args: &[Arg],
    ) -> Result<T, ResultError> {
        patiently(self.0.options.patience, || async { Ok(self.0.redis.invoke(script, keys, args).await?) })
            .await
    }

    /// How long anything is kept, as the scripts take it.
    pub(super) fn expires(&self) -> Arg {
        self.0.options.expires_seconds().to_string().into()
    }
}
