//! Remote control on the wire: the exchanges and the queue as Celery declares them, a request and its reply.

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, ConnectionProperties, ErrorKind, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable},
};
use postrider_tests::worker::{Setup, ended};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{SOON, fresh_id};

/// A client of a worker.
struct Client {
    connection: lapin::Connection,
    channel: Channel,
    node: String,
}

impl Client {
    async fn connect(setup: &Setup, node: &str) -> Self {
        let connection = lapin::Connection::connect(&setup.amqp_url, ConnectionProperties::default())
            .await
            .expect("RabbitMQ does it");
        let channel = connection.create_channel().await.expect("RabbitMQ does it");
        Self { connection, channel, node: node.into() }
    }

    async fn exchange(&self, name: &str, kind: ExchangeKind, durable: bool) {
        let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
        self.channel
            .exchange_declare(name.into(), kind, options, FieldTable::default())
            .await
            .expect("RabbitMQ does it");
    }

    /// A queue of this client's own, bound to an exchange.
    async fn listen(&self, exchange: &str, key: &str) -> lapin::Consumer {
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = self
            .channel
            .queue_declare("".into(), options, FieldTable::default())
            .await
            .expect("RabbitMQ does it");
        let (name, none) = (queue.name().clone(), FieldTable::default());
        let bind = QueueBindOptions::default();
        self.channel
            .queue_bind(name.clone(), exchange.into(), key.into(), bind, none.clone())
            .await
            .expect("RabbitMQ does it");
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        self.channel.basic_consume(name, "".into(), options, none).await.expect("RabbitMQ does it")
    }

    async fn request(&self, method: &str, key: Option<&str>) {
        let mut body = json!({"method": method, "arguments": {}, "destination": [self.node], "pattern": null, "matcher": null});
        if let Some(key) = key {
            body["ticket"] = "t1".into();
            body["reply_to"] = json!({"exchange": "reply.celery.pidbox", "routing_key": key});
        }
        let mut headers = FieldTable::default();
        headers.insert("clock".into(), AMQPValue::LongInt(7));
        headers.insert("expires".into(), AMQPValue::Double(0.0));
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_headers(headers);
        let (options, body) = (BasicPublishOptions::default(), body.to_string());
        let exchange = "celery.pidbox".into();
        let publish = self.channel.basic_publish(exchange, "".into(), options, body.as_bytes(), properties);
        publish.await.expect("RabbitMQ does it");
    }
}

/// The next message, with its body as JSON.
async fn next(consumer: &mut lapin::Consumer) -> (lapin::message::Delivery, Value) {
    let delivery = timeout(SOON, consumer.next())
        .await
        .expect("in time")
        .expect("the channel is open")
        .expect("the channel is open");
    let body = serde_json::from_slice(&delivery.data).expect("JSON");
    (delivery, body)
}

#[tokio::test]
async fn a_worker_has_celerys_exchanges_and_a_queue_of_its_own_and_answers() {
    let node = format!("w{}@test", &fresh_id()[..8]);
    let setup = Setup::new("control").text("worker.name", &node);
    let client = Client::connect(&setup, &node).await;
    client.exchange("celeryev", ExchangeKind::Topic, true).await;
    let mut events = client.listen("celeryev", "worker.#").await;
    let worker = setup.start().await;
    let online = loop {
        let (delivery, body) = next(&mut events).await;
        if body["hostname"] == node.as_str() {
            break (delivery, body);
        }
    };

    assert_eq!(online.1["type"], "worker-online");
    assert_eq!(online.0.routing_key.as_str(), "worker.online");
    assert_eq!(*online.0.properties.delivery_mode(), Some(1));
    let headers = online.0.properties.headers().clone().unwrap();
    assert_eq!(headers.inner()["hostname"], AMQPValue::LongString(node.as_str().into()));
    // Another flag would be refused.
    client.exchange("celery.pidbox", ExchangeKind::Fanout, false).await;
    client.exchange("reply.celery.pidbox", ExchangeKind::Direct, false).await;
    let probe = client.connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let name = format!("{node}.celery.pidbox");
    let refused = probe.queue_declare(name.into(), passive, FieldTable::default()).await.unwrap_err();
    let ErrorKind::ProtocolError(refused) = refused.kind() else { panic!("{refused}") };
    assert_eq!(refused.kind(), &AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED), "it is exclusive");

    let key = fresh_id();
    let mut replies = client.listen("reply.celery.pidbox", &key).await;
    client.request("ping", Some(&key)).await;
    let (delivery, body) = next(&mut replies).await;
    assert_eq!(body, json!({&node: {"ok": "pong"}}));
    let headers = delivery.properties.headers().clone().unwrap();
    assert_eq!(headers.inner()["ticket"], AMQPValue::LongString("t1".into()));
    assert!(matches!(headers.inner()["clock"], AMQPValue::LongInt(clock) if clock > 7));
    client.request("heartbeat", None).await;
    client.request("shutdown", None).await;
    while next(&mut events).await.1["type"] != "worker-offline" {}
    let output = ended(worker).await;
    assert!(output.status.success(), "{}", output.text);
    setup.clean_up().await;
}

#[tokio::test]
async fn a_second_worker_of_the_same_name_runs_tasks_and_keeps_quiet_until_the_name_is_free() {
    let node = format!("w{}@test", &fresh_id()[..8]);
    let (one, two) = (Setup::new("control-one"), Setup::new("control-two"));
    let (one, two) = (one.text("worker.name", &node), two.text("worker.name", &node));
    let mut first = one.start().await;
    first.wait_for_line(|line| line.contains("in step with the other workers"), SOON).await;

    let mut second = two.start().await;
    second.wait_for_line(|line| line.contains("another connection holds this node's name"), SOON).await;
    one.finish(first).await;

    second.wait_for_line(|line| line.contains("in step with the other workers"), SOON).await;
    two.finish(second).await;
}
