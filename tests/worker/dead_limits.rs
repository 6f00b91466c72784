//! `sms.dead` is bounded. On a RabbitMQ of its own, since the limit is an argument of a queue that all tests share.

use std::net::Ipv4Addr;

use postrider_tests::{
    celery::{call, send_sms},
    provider::Provider,
    servers::{RabbitMq, free_port},
    worker::Setup,
};
use serde_json::json;

use super::{SOON, fresh_id};

#[tokio::test]
async fn a_full_dead_letter_queue_drops_its_oldest_counts_it_and_holds_nothing_up() {
    let rabbitmq = RabbitMq::start().await;
    let provider = Provider::start().await;
    let port = free_port();
    let setup = Setup::new("dead-limits")
        .broker(&rabbitmq.url())
        .provider(&provider)
        .set("worker.concurrency", "1")
        .set("dead.max_length", "3")
        .text("metrics.listen", &format!("{}:{port}", Ipv4Addr::LOCALHOST));
    let worker = setup.start().await;
    let amqp = setup.amqp().await;

    let ids: Vec<String> = (0..5).map(|_| fresh_id()).collect();
    for id in &ids {
        amqp.publish(&setup.queue, &call("no.such", id, &json!([]), &json!({}))).await;
    }
    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;

    // One task at a time, in order: when the last is executed, the others are settled.
    provider.wait_for(1, SOON).await;
    let kept: Vec<String> = setup.dead_letters().await.into_iter().map(|letter| letter.id).collect();
    assert_eq!(kept, ids[2..]);
    let metrics =
        reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
    for line in ["postrider_dead_letters_dropped_total 2", "postrider_dead_letters 3"] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} in {metrics}");
    }
    assert!(metrics.contains(r#"postrider_dead_letters_total{reason="unknown_task"} 5"#), "{metrics}");
    let dropped = setup.dead(&["drop", "--all"]).await;
    assert!(dropped.status.success() && dropped.text.contains("3 dropped"), "{}", dropped.text);
    assert_eq!(amqp.ready("sms.dead").await, Some(0));
    setup.finish(worker).await;
}
