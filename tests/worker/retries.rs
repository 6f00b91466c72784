//! What may pass is tried again, through the broker; what will not pass is not.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use postrider_tests::{
    celery::{fixture, send_sms, text},
    provider::{Answer, Provider, Request},
    servers::eventually,
    worker::{Setup, ended},
};

use super::{SOON, fresh_id};

/// The sum of the waits, and patience.
const RETRIES: Duration = Duration::from_secs(21 + 20);

#[tokio::test]
async fn a_refusal_that_may_pass_is_tried_again_after_3_6_and_12_seconds_and_then_kept() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("retries").provider(&provider);
    let worker = setup.start().await;
    let id = fresh_id();

    setup.amqp().await.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;

    let requests = provider.wait_for(4, RETRIES).await;
    assert_waits(&requests, &[3, 6, 12]);
    for (request, attempt) in requests.iter().zip(1..) {
        assert_eq!((&request.id, &request.key, request.attempt), (&id, &id, attempt));
    }
    let letters = setup.wait_for_dead_letters(1, SOON).await;
    assert_eq!((letters[0].reason.as_str(), letters[0].retries), ("exhausted:throttled", 3));
    assert!(letters[0].not_after.is_some(), "{letters:?}");
    let log = setup.finish(worker).await;
    for retry in ["retries=1", "retries=2", "retries=3"] {
        assert!(log.contains(retry), "{retry} in {log}");
    }
    assert_eq!(provider.requests().len(), 4);
}

#[tokio::test]
async fn a_delayed_task_comes_back_to_its_queue_as_celery_would_have_published_it() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("comes-back").provider(&provider).foreign();
    let amqp = setup.amqp().await;
    amqp.declare(&setup.queue, FieldTable::default()).await;
    let mut worker = setup.start().await;
    let mut first = fixture("task-custom-headers").with_header("retries", AMQPValue::LongInt(1));
    first.properties = first.properties.with_expiration("100000".into());

    amqp.publish(&setup.queue, &first).await;
    worker.wait_for_line(|line| line.contains("task will be retried"), SOON).await;
    worker.sigterm();
    assert!(ended(worker).await.status.success());
    let second = amqp.take(&setup.queue, SOON).await;

    let changed = ["eta", "parent_id", "retries"];
    let id = first.text("id").unwrap();
    assert_eq!(second.header("retries"), Some(AMQPValue::LongInt(2)));
    assert_eq!(second.text("parent_id"), Some(id.clone()));
    let eta = second.text("eta").unwrap();
    assert!(eta.len() == "2026-11-21T21:15:23.340454+00:00".len() && eta.ends_with("+00:00"), "{eta}");
    for (name, value) in first.headers().inner() {
        if !changed.contains(&name.as_str()) {
            assert_eq!(second.header(name.as_str()).as_ref(), Some(value), "{name}");
        }
    }
    let more: Vec<String> = second.headers().inner().keys().map(ToString::to_string).collect();
    assert!(more.iter().all(|name| first.header(name).is_some() || name.starts_with("x-")), "{more:?}");
    assert_eq!(second.body, first.body);
    assert_eq!(second.properties.correlation_id(), first.properties.correlation_id());
    assert_eq!(second.properties.reply_to(), first.properties.reply_to());
    assert_eq!(second.properties.content_type(), first.properties.content_type());
    assert_eq!(*second.properties.delivery_mode(), Some(2));
    assert_eq!(*second.properties.expiration(), None);
    setup.clean_up().await;
}

#[tokio::test]
async fn the_wait_that_the_provider_asks_for_is_kept() {
    let provider = Provider::answering(|request| match request.attempt {
        1 => Answer::status(429).retry_after(5),
        _ => Answer::taken(),
    })
    .await;
    let setup = Setup::new("retry-after").provider(&provider);
    let worker = setup.start().await;
    let id = fresh_id();

    setup.amqp().await.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;

    assert_waits(&provider.wait_for(2, SOON).await, &[5]);
    setup.finish(worker).await;
    assert_eq!(provider.texts().len(), 1);
}

#[tokio::test]
async fn a_refusal_for_good_is_not_tried_again() {
    let provider = Provider::answering(|request| match request.to.as_str() {
        "+8613800138000" => Answer::body(422, r#"{"error": {"code": "blocked"}}"#),
        _ => Answer::status(403),
    })
    .await;
    let rule = r#"[{ field = "error.code", equals = "blocked", class = "recipient_blocked" }]"#;
    let setup = Setup::new("for-good").provider(&provider).set("providers.webhook.rules", rule);
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    let (blocked, account) = (fresh_id(), fresh_id());

    amqp.publish(&setup.queue, &send_sms(&blocked, "13800138000", "123456")).await;
    amqp.publish(&setup.queue, &send_sms(&account, "13800138001", "123456")).await;

    // Nobody's replay helps the one: the task returns -1, as the tutorial's does. An operator can help the other.
    let refused = |line: &str| line.contains("was not sent and will not be") && line.contains(&blocked);
    worker.wait_for_line(refused, SOON).await;
    let letters = setup.wait_for_dead_letters(1, SOON).await;
    let letters: Vec<(&str, &str)> = letters.iter().map(|letter| (&*letter.id, &*letter.reason)).collect();
    assert_eq!(letters, [(account.as_str(), "credentials")]);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 2);
}

#[tokio::test]
async fn a_task_with_an_eta_waits_in_the_broker_and_not_in_the_worker() {
    let provider = Provider::start().await;
    let setup = Setup::new("eta").provider(&provider);
    let mut first = setup.start().await;
    let amqp = setup.amqp().await;
    let id = fresh_id();
    let due = std::time::Instant::now() + Duration::from_secs(3);

    let message =
        send_sms(&id, "13800138000", "123456").with_header("eta", super::in_time(Duration::from_secs(3)));
    amqp.publish(&setup.queue, &message).await;
    let taken = eventually(SOON, async || amqp.ready(&setup.queue).await == Some(0)).await;
    assert!(taken);
    first.sigterm();
    assert!(ended(first).await.status.success());
    let second = setup.start().await;

    let request = provider.wait_for(1, SOON).await.remove(0);
    assert!(request.at >= due, "{:?} early", due - request.at);
    setup.finish(second).await;
}

#[tokio::test]
async fn a_retry_count_that_is_text_counts_too() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("count-text").provider(&provider);
    let worker = setup.start().await;

    let message = send_sms(&fresh_id(), "13800138000", "123456").with_header("retries", text("3"));
    setup.amqp().await.publish(&setup.queue, &message).await;

    let letters = setup.wait_for_dead_letters(1, SOON).await;
    assert_eq!((letters[0].reason.as_str(), letters[0].retries), ("exhausted:throttled", 3));
    setup.finish(worker).await;
}

/// The requests came with at least these seconds between them.
fn assert_waits(requests: &[Request], seconds: &[u64]) {
    let waits: Vec<Duration> = requests.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    let enough = waits.iter().zip(seconds).all(|(wait, least)| *wait >= Duration::from_secs(*least));
    assert!(waits.len() == seconds.len() && enough, "waits {waits:?}, at least {seconds:?} s");
}
