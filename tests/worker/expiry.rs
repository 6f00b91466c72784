//! A code that has run out is not sent, and is no dead letter.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use postrider_core::{broker::topology::Topology, task::Signature, verification::DeliveryState};
use postrider_tests::{
    celery::{fixture, send_sms},
    provider::{Answer, Provider},
    servers::{Proc, eventually},
    worker::Setup,
};

use super::{SOON, fresh_id, in_time};

/// Shorter than the first wait before a retry.
const SHORT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_call_is_not_executed_after_its_expires() {
    let provider = Provider::start().await;
    let setup = Setup::new("expires").provider(&provider);
    let mut worker = setup.start().await;
    let message = fixture("task-expires-int");

    setup.amqp().await.publish(&setup.queue, &message).await;

    ran_out(&mut worker, &message.text("id").unwrap()).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn a_call_that_runs_out_before_its_next_try_is_not_tried_again() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("between-tries").provider(&provider);
    let mut worker = setup.start().await;
    let id = fresh_id();

    let message = send_sms(&id, "13800138000", "123456").with_header("expires", in_time(SHORT));
    setup.amqp().await.publish(&setup.queue, &message).await;

    ran_out(&mut worker, &id).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_call_without_expires_lives_for_the_window_from_its_first_sight() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("window").provider(&provider).text("sms.window", "2s");
    let mut worker = setup.start().await;
    let id = fresh_id();

    setup.amqp().await.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;

    ran_out(&mut worker, &id).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_sealed_code_that_runs_out_before_its_next_try_is_reported_as_expired() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("sealed-between").provider(&provider);
    let worker = setup.start().await;
    let producer = setup.producer(Topology::default()).await;
    let verification = setup.issue("+8613912345678", "012345", SHORT).await;

    let task = Signature::new(verification.task(&setup.keys())).queue(&setup.queue);
    producer.enqueue(task).await.unwrap();

    let expired = async || setup.delivery(&verification).await == DeliveryState::Expired;
    assert!(eventually(SOON, expired).await);
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

/// `apply_async(expires=1)` while no worker runs: RabbitMQ itself takes the message out, by its property `expiration`.
#[tokio::test]
async fn a_call_that_runs_out_in_the_queue_is_counted_by_the_next_worker_and_leaves_nothing_behind() {
    let provider = Provider::start().await;
    let setup = Setup::new("in-queue").provider(&provider);
    let (amqp, returned) = (setup.amqp().await, format!("{}.returned", setup.queue));
    let id = expired_in_queue(&setup).await;
    assert!(eventually(SOON, async || amqp.ready(&returned).await == Some(1)).await);

    let mut worker = setup.start().await;

    ran_out(&mut worker, &id).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 0);
}

#[tokio::test]
async fn what_the_broker_gives_up_for_another_reason_is_sealed_under_its_own_queue() {
    let setup = Setup::new("given-up");
    let worker = setup.start().await;
    let (amqp, id) = (setup.amqp().await, fresh_id());

    // As a retry looks that came down the delay ladder, where it died of old age, and was then given up.
    let deaths = vec![death(&setup.queue, "delivery_limit"), death("postrider.delay.0", "expired")];
    let given_up = send_sms(&id, "13912345678", "867530")
        .with_header("x-first-death-reason", AMQPValue::LongString("expired".into()))
        .with_header("x-death", AMQPValue::FieldArray(deaths.into()));
    amqp.publish(&format!("{}.returned", setup.queue), &given_up).await;

    let letters = setup.wait_for_dead_letters(1, SOON).await;
    let letter = (letters[0].id.as_str(), letters[0].reason.as_str(), letters[0].queue.as_str());
    assert_eq!(letter, (id.as_str(), "broker:delivery_limit", setup.queue.as_str()));
    for message in setup.dead_messages().await {
        let text = format!("{:?} {}", message.headers(), String::from_utf8_lossy(&message.body));
        assert!(!text.contains("13912345678") && !text.contains("867530"), "{text}");
    }
    assert!(setup.dead(&["drop", &id]).await.status.success());
    setup.finish(worker).await;
}

/// Publishes a call that the broker gives up. Returns its id.
async fn expired_in_queue(setup: &Setup) -> String {
    assert!(setup.command(&["topology", "apply"]).await.status.success());
    let (amqp, id) = (setup.amqp().await, fresh_id());
    let mut message = send_sms(&id, "13912345678", "867530").with_header("expires", in_time(Duration::ZERO));
    message.properties = message.properties.with_expiration("100".into());
    amqp.publish(&setup.queue, &message).await;
    assert!(eventually(SOON, async || amqp.ready(&setup.queue).await == Some(0)).await);
    id
}

/// An entry of the history that the broker writes.
fn death(queue: &str, reason: &str) -> AMQPValue {
    let mut entry = FieldTable::default();
    entry.insert("queue".into(), AMQPValue::LongString(queue.into()));
    entry.insert("reason".into(), AMQPValue::LongString(reason.into()));
    AMQPValue::FieldTable(entry)
}

async fn ran_out(worker: &mut Proc, id: &str) {
    worker.wait_for_line(|line| line.contains("end of life has passed") && line.contains(id), SOON).await;
}
