//! Empties the store between two contenders, and counts what one of them left there.

use deadpool_redis::redis::{Client, cmd};

/// Removes all that is in the database. The run has a Redis of its own.
pub(crate) async fn flush(url: &str) -> anyhow::Result<()> {
    let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
    cmd("FLUSHDB").query_async::<()>(&mut connection).await?;
    Ok(())
}

/// How many keys are in the database.
pub(crate) async fn keys(url: &str) -> anyhow::Result<u64> {
    let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
    Ok(cmd("DBSIZE").query_async(&mut connection).await?)
}
