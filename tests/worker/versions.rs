//! A payload of a later version than this worker reads, in the middle of an upgrade.

use std::time::Duration;

use lapin::types::AMQPValue;
use postrider_tests::{celery::call, provider::Provider, worker::Setup};
use serde_json::json;

use super::{SOON, fresh_id, in_time};

#[tokio::test]
async fn a_newer_payload_waits_for_a_newer_worker_until_its_end_of_life() {
    let provider = Provider::start().await;
    let setup = Setup::new("newer").provider(&provider);
    let mut worker = setup.start().await;
    let id = fresh_id();

    // As the next version may write it: nothing that this one could decode.
    let message = call("sms.send_code", &id, &json!([]), &json!({"envelope": {"v": 2}}))
        .with_header("postrider-version", AMQPValue::LongInt(2))
        .with_header("expires", in_time(Duration::from_secs(5)));
    setup.amqp().await.publish(&setup.queue, &message).await;

    worker.wait_for_line(|line| line.contains("a payload newer than this worker waits"), SOON).await;
    assert_eq!(setup.dead_letters().await, []);
    worker.wait_for_line(|line| line.contains("end of life has passed") && line.contains(&id), SOON).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn a_newer_payload_that_waits_is_not_changed() {
    let setup = Setup::new("newer-same");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    let id = fresh_id();

    let message = call("sms.send_code", &id, &json!([]), &json!({"envelope": {"v": 2}}))
        .with_header("postrider-version", AMQPValue::LongInt(2));
    amqp.publish(&setup.queue, &message).await;
    worker.wait_for_line(|line| line.contains("a payload newer than this worker waits"), SOON).await;
    worker.sigterm();
    assert!(postrider_tests::worker::ended(worker).await.status.success());

    let waited = amqp.take(&setup.queue, SOON).await;
    assert_eq!(waited.body, message.body);
    assert_eq!(waited.header("postrider-version"), Some(AMQPValue::LongInt(2)));
    assert_eq!((waited.text("id"), waited.header("retries")), (Some(id), Some(AMQPValue::LongInt(0))));
    setup.clean_up().await;
}
