//! Looks at queues and removes them, as an operator would.

use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};

/// A connection to look through.
pub(crate) struct Watch {
    channel: Channel,
    connection: Connection,
}

impl Watch {
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        Ok(Self { channel: connection.create_channel().await?, connection })
    }

    /// How many messages lie ready in a queue. What is handed out and not acked is not among them.
    pub(crate) async fn ready(&self, queue: &str) -> anyhow::Result<u64> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let state = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(state.message_count().into())
    }

    /// Removes a queue with all that is in it, and its exchange. Both may be missing.
    pub(crate) async fn remove(&self, queue: &str) -> anyhow::Result<()> {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
        self.channel.exchange_delete(queue.into(), ExchangeDeleteOptions::default()).await?;
        Ok(())
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        Ok(self.connection.close(200, "done".into()).await?)
    }
}
