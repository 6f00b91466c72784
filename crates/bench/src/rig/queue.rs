//! Looks at queues and removes them, as an operator would.

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};

/// How many events are kept.
const HEARD: i32 = 1000;

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

    /// Makes a queue that hears all events of all workers, as Celery declares the exchange, and keeps the newest ones.
    pub(crate) async fn hear_events(&self, queue: &str) -> anyhow::Result<()> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(HEARD));
        let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let (events, topic, none) = ("celeryev", ExchangeKind::Topic, FieldTable::default());
        self.channel.exchange_declare(events.into(), topic, exchange, none).await?;
        self.channel.queue_declare(queue.into(), QueueDeclareOptions::default(), arguments).await?;
        let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
        Ok(self.channel.queue_bind(queue.into(), events.into(), "#".into(), bind, none).await?)
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
