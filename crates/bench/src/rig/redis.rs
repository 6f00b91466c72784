//! Empties the store between two contenders.

use deadpool_redis::redis::{Client, cmd};

/// Removes all that is in the database. The run has a Redis of its own.
pub(crate) async fn flush(url: &str) -> anyhow::Result<()> {
    let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
    cmd("FLUSHDB").query_async::<()>(&mut connection).await?;
    Ok(())
}
