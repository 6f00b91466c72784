//! Tasks whose time has not come wait in the broker: in our ladder, or in Celery's own.

use std::time::{Duration, Instant};

use lapin::options::BasicPublishOptions;
use postrider_core::{celery::format_instant, clock::Clock};
use postrider_tests::{
    celery::{send_sms, text},
    provider::Provider,
    servers::eventually,
    worker::Setup,
};

use super::{SOON, fresh_id, in_time};

/// Far more than the worker takes in at once.
const AHEAD: usize = 200;

#[tokio::test]
async fn tasks_ahead_of_their_time_hold_up_none_that_is_due_and_none_is_forgotten() {
    let provider = Provider::start().await;
    let setup =
        Setup::new("eta").provider(&provider).set("worker.concurrency", "2").set("worker.prefetch", "2");
    let amqp = setup.amqp().await;
    let worker = setup.start().await;
    let ahead = Duration::from_secs(10);
    let (begun, eta) = (Instant::now(), in_time(ahead));
    for _ in 0..AHEAD {
        let message = send_sms(&fresh_id(), "13800138000", "123456").with_header("eta", eta.clone());
        amqp.publish(&setup.queue, &message).await;
    }
    let due = fresh_id();
    amqp.publish(&setup.queue, &send_sms(&due, "13800138001", "123456")).await;

    assert_eq!(provider.wait_for(1, SOON).await[0].id, due);
    assert!(begun.elapsed() < ahead, "the machine is too slow for this test");
    provider.wait_for(AHEAD + 1, SOON).await;
    assert!(begun.elapsed() >= ahead, "a task ran before its time");
    setup.finish(worker).await;
}

/// `apply_async(countdown=2)` of a shop whose quorum queue is on a topic exchange.
#[tokio::test]
async fn a_task_that_celery_delays_by_itself_runs() {
    let provider = Provider::start().await;
    let setup = Setup::new("native").provider(&provider).queue_set("exchange_type", "\"topic\"");
    let worker = setup.start().await;
    let channel = setup.amqp().await.channel().await;
    let eta = Clock::System.now().checked_add(Duration::from_secs(2)).unwrap();
    let id = fresh_id();
    let message = send_sms(&id, "13800138000", "123456").with_header("eta", text(&format_instant(eta)));

    let key = format!("{}1.0.{}", "0.".repeat(26), setup.queue);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let (body, properties) = (&message.body, message.properties.clone());
    channel
        .basic_publish("celery_delayed_27".into(), key.as_str().into(), options, body, properties)
        .await
        .unwrap();

    let amqp = setup.amqp().await;
    assert!(eventually(SOON, async || amqp.ready("celery_delayed_1").await.is_some()).await);
    let sent = provider.wait_for(1, SOON).await;
    assert_eq!(sent[0].id, id);
    setup.finish(worker).await;
}
