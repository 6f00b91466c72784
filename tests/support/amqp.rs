//! A plain AMQP client: what a shop, a tool or an operator does on the broker, without a line of Postrider.
//!
//! Messages go through the default exchange, as Celery publishes them, and each with a confirm. Queues are read without
//! being consumed from, so that nothing is handed out to a test by accident.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::servers::eventually;

/// A connection to a broker.
pub struct Amqp(Connection);

/// A message without its journey: properties with the header table, and the body.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Envelope {
    /// AMQP's basic properties, the header table among them.
    pub properties: BasicProperties,
    /// The payload.
    pub body: Vec<u8>,
}

impl Envelope {
    /// The header table; empty where the message has none.
    pub fn headers(&self) -> FieldTable {
        self.properties.headers().clone().unwrap_or_default()
    }

    /// A header with its exact type.
    pub fn header(&self, name: &str) -> Option<AMQPValue> {
        self.headers().inner().get(name).cloned()
    }

    /// A header's text.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.header(name)? {
            AMQPValue::LongString(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// The same message with another header in its table.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: AMQPValue) -> Self {
        let mut headers = self.headers();
        headers.insert(name.into(), value);
        self.properties = self.properties.with_headers(headers);
        self
    }
}

impl Amqp {
    /// Connects to the broker at that address.
    pub async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await;
        Self(connection.unwrap_or_else(|error| panic!("failed to connect to the broker: {error}")))
    }

    /// A channel of one's own.
    pub async fn channel(&self) -> Channel {
        self.0.create_channel().await.expect("the broker gives a channel")
    }

    /// Declares a queue in Celery's layout: an exchange, a queue and a key of one name, all durable.
    pub async fn declare(&self, queue: &str, arguments: FieldTable) {
        let channel = self.channel().await;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(queue.into(), ExchangeKind::Direct, options, FieldTable::default())
            .await
            .expect("the exchange is new or the same");
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, arguments).await.expect("the queue is new or the same");
        channel
            .queue_bind(
                queue.into(),
                queue.into(),
                queue.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .expect("both are there");
    }

    /// Publishes and waits until the broker has it in the queue.
    pub async fn publish(&self, queue: &str, message: &Envelope) {
        let channel = self.channel().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("RabbitMQ confirms");
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = channel
            .basic_publish("".into(), queue.into(), options, &message.body, message.properties.clone())
            .await
            .expect("the channel is open");
        let confirmed = confirm.await.expect("the broker confirms");
        assert_eq!(confirmed, Confirmation::Ack(None), "{queue} did not take the message");
        close(channel).await;
    }

    /// How many messages lie ready in a queue; `None` when there is no such queue.
    pub async fn ready(&self, queue: &str) -> Option<u32> {
        let channel = self.channel().await;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        // A queue that is not there closes the channel, not the connection.
        let state = channel.queue_declare(queue.into(), options, FieldTable::default()).await.ok()?;
        close(channel).await;
        Some(state.message_count())
    }

    /// Takes the oldest message out of a queue, once there is one.
    pub async fn take(&self, queue: &str, within: Duration) -> Envelope {
        let channel = self.channel().await;
        let mut taken = None;
        let found = eventually(within, async || {
            let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await;
            taken = got.expect("the queue is there").map(|got| envelope(&got.delivery));
            taken.is_some()
        })
        .await;
        assert!(found, "no message came to {queue} within {within:?}");
        close(channel).await;
        taken.expect("found just now")
    }

    /// Looks at all messages of a queue; they go back to their places. Two looks at once hide messages from each other.
    pub async fn browse(&self, queue: &str) -> Vec<Envelope> {
        let channel = self.channel().await;
        let mut seen = Vec::new();
        while let Some(got) =
            channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("the queue is there")
        {
            seen.push(envelope(&got.delivery));
        }
        close(channel).await;
        seen
    }

    /// Removes queues and their exchanges.
    pub async fn delete(&self, queues: impl IntoIterator<Item = impl AsRef<str>>) {
        let channel = self.channel().await;
        for queue in queues {
            let queue = queue.as_ref();
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("it may be gone");
            let options = ExchangeDeleteOptions::default();
            channel.exchange_delete(queue.into(), options).await.expect("it may be gone");
        }
        close(channel).await;
    }
}

/// What was not acknowledged goes back; the broker forgets the channel at once.
async fn close(channel: Channel) {
    channel.close(200, "done".into()).await.expect("the channel is open");
}

fn envelope(delivery: &lapin::message::Delivery) -> Envelope {
    Envelope { properties: delivery.properties.clone(), body: delivery.data.clone() }
}
