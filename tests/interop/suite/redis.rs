//! The Redis commands that the tasks use.

use deadpool_redis::redis::{AsyncCommands as _, RedisError};
use deadpool_redis::{Config, CreatePoolError, Pool, PoolError, Runtime};

/// The server that tasks write to, where tests look.
#[derive(Clone)]
pub(crate) struct Redis(Pool);

/// Why Redis did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisFailure {
    #[error("no connection: {0}")]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Command(#[from] RedisError),
}

impl Redis {
    pub(crate) fn new(url: &str) -> Result<Self, CreatePoolError> {
        Ok(Self(Config::from_url(url).create_pool(Some(Runtime::Tokio1))?))
    }

    /// Appends to a list.
    pub(crate) async fn push(&self, key: &str, text: &str) -> Result<(), RedisFailure> {
        let () = self.0.get().await?.rpush(key, text).await?;
        Ok(())
    }

    /// Counts one up.
    pub(crate) async fn count(&self, key: &str) -> Result<(), RedisFailure> {
        let () = self.0.get().await?.incr(key, 1).await?;
        Ok(())
    }

    /// Waits until there is something in a list, and takes it; not for ever.
    pub(crate) async fn taken(&self, key: &str, seconds: f64) -> Result<(), RedisFailure> {
        let _: Option<(String, String)> = self.0.get().await?.blpop(key, seconds).await?;
        Ok(())
    }
}
