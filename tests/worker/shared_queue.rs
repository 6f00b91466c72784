//! Another program's queue is left alone while one of its workers has tasks that we lack.

use std::time::Duration;

use futures::StreamExt as _;
use lapin::{
    BasicProperties, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use postrider_tests::{
    amqp::Amqp,
    celery::{CCP, send_sms},
    provider::Provider,
    worker::{PATIENCE, Setup},
};
use serde_json::{Value, json};

use super::{SOON, fresh_id};

const NO_ARGS: [&str; 0] = [];
const NO_ENV: [(&str, &str); 0] = [];

/// Answers as a Celery worker on that queue with those tasks would, until it is dropped.
async fn python_worker(amqp: &Amqp, queue: &str, tasks: &[&str]) -> tokio::task::JoinSet<()> {
    let channel = amqp.channel().await;
    let empty = FieldTable::default;
    channel
        .exchange_declare(
            "celery.pidbox".into(),
            ExchangeKind::Fanout,
            ExchangeDeclareOptions::default(),
            empty(),
        )
        .await
        .expect("the exchange is as Celery declares it");
    let options =
        QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let pidbox = channel.queue_declare("".into(), options, empty()).await;
    let pidbox = pidbox.expect("a queue with a new name is declared").name().clone();
    let bind = QueueBindOptions::default();
    let bound = channel.queue_bind(pidbox.clone(), "celery.pidbox".into(), "".into(), bind, empty()).await;
    bound.expect("the queue and the exchange are there");
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let requests = channel.basic_consume(pidbox, "".into(), options, empty()).await;
    let mut requests = requests.expect("nobody else consumes the queue");
    // Replies are told apart by their node: each test has one of its own.
    let node = format!("django@{queue}");
    let (queue, tasks) = (json!([{"name": queue}]), json!(tasks));
    let mut answering = tokio::task::JoinSet::new();
    answering.spawn(async move {
        while let Some(Ok(delivery)) = requests.next().await {
            let asked: Value = serde_json::from_slice(&delivery.data).expect("a request is JSON");
            let answer = match asked["method"].as_str() {
                Some("active_queues") => &queue,
                Some("registered") => &tasks,
                _ => continue,
            };
            let (Some(exchange), Some(key)) =
                (asked["reply_to"]["exchange"].as_str(), asked["reply_to"]["routing_key"].as_str())
            else {
                continue;
            };
            let mut headers = FieldTable::default();
            let ticket = asked["ticket"].as_str().unwrap_or_default();
            headers.insert("ticket".into(), lapin::types::AMQPValue::LongString(ticket.into()));
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_content_encoding("utf-8".into())
                .with_headers(headers);
            let body = json!({ &node: answer }).to_string();
            let options = BasicPublishOptions::default();
            let sent = channel
                .basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties)
                .await;
            sent.expect("the channel stays open");
        }
    });
    answering
}

#[tokio::test]
async fn a_shared_queue_is_not_consumed_while_a_worker_there_has_tasks_that_we_lack() {
    let provider = Provider::start().await;
    let setup = Setup::new("shared").provider(&provider).foreign();
    let amqp = setup.amqp().await;
    amqp.declare(&setup.queue, FieldTable::default()).await;
    let _python = python_worker(&amqp, &setup.queue, &[CCP, "shop.mail", "celery.chord"]).await;

    let mut worker = setup.spawn(NO_ARGS, NO_ENV);
    worker.wait_for_line(|line| line.contains("this queue is not consumed"), PATIENCE).await;
    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;

    let refused = worker.log();
    assert!(
        refused.contains("tasks=shop.mail") && refused.contains(&format!("node=django@{}", setup.queue)),
        "{refused}"
    );
    amqp.take(&setup.queue, Duration::from_secs(1)).await;
    assert!(provider.requests().is_empty());
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_shared_queue_is_consumed_beside_workers_with_our_tasks_and_when_it_is_accepted() {
    for (tasks, policy) in [(&[CCP, "celery.chord"][..], "refuse"), (&[CCP, "shop.mail"], "accept")] {
        let provider = Provider::start().await;
        let setup =
            Setup::new("shared-ok").provider(&provider).foreign().text("worker.shared_queues", policy);
        let amqp = setup.amqp().await;
        amqp.declare(&setup.queue, FieldTable::default()).await;
        let _python = python_worker(&amqp, &setup.queue, tasks).await;

        let worker = setup.start().await;
        amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;

        provider.wait_for(1, SOON).await;
        setup.finish(worker).await;
    }
}
