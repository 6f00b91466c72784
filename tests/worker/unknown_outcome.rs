//! A provider call that may or may not have sent the SMS.

use std::time::Duration;

use postrider_core::{broker::topology::Topology, task::Signature, verification::DeliveryState};
use postrider_tests::{
    celery::send_sms,
    provider::{Answer, Provider},
    servers::eventually,
    worker::Setup,
};

use super::{SOON, fresh_id};

const LIFE: Duration = Duration::from_mins(5);

/// A setup whose provider calls end soon when nobody answers.
fn hasty(test: &str, provider: &Provider) -> Setup {
    let setup = Setup::new(test).provider(provider);
    setup.text("providers.webhook.connect_timeout", "400ms").text("providers.webhook.timeout", "500ms")
}

#[tokio::test]
async fn a_call_without_an_answer_is_reported_and_never_repeated() {
    let provider = Provider::answering(|_| Answer::silence()).await;
    let setup = hasty("unknown-stop", &provider);
    let mut worker = setup.start().await;
    let producer = setup.producer(Topology::default()).await;
    let verification = setup.issue("+8613912345678", "012345", LIFE).await;
    let task = Signature::new(verification.task(&setup.keys())).queue(&setup.queue).id(fresh_id());

    let id = producer.enqueue(task.clone()).await.unwrap();
    let unknown = |line: &str| line.contains("may or may not have had its effect") && line.contains(&id);
    worker.wait_for_line(unknown, SOON).await;
    assert_eq!(setup.delivery(&verification).await, DeliveryState::Unknown);
    let seen = worker.line_count();
    producer.enqueue(task).await.unwrap();
    worker.wait_for_line_after(seen, unknown, SOON).await;

    assert_eq!(setup.delivery(&verification).await, DeliveryState::Unknown);
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_during_the_call_leaves_an_unknown_outcome_and_no_second_sms() {
    let provider = Provider::answering(|_| Answer::silence()).await;
    let setup = Setup::new("killed").provider(&provider).text("sms.lease", "2s");
    let mut first = setup.start().await;
    let id = fresh_id();

    setup.amqp().await.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;
    provider.wait_for(1, SOON).await;
    first.sigkill();
    let mut second = setup.start().await;

    // The task returns -1 then: nobody can repeat the call, and nothing is kept.
    let unknown = |line: &str| line.contains("may or may not have been sent") && line.contains(&id);
    second.wait_for_line(unknown, SOON).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(second).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_call_without_an_answer_is_repeated_with_its_key_where_the_receiver_drops_repetitions() {
    let provider = Provider::answering(|request| match request.attempt {
        1 => Answer::silence(),
        2 => Answer::hang_up(),
        3 => Answer::status(503),
        _ => Answer::taken(),
    })
    .await;
    let setup = hasty("unknown-retry", &provider).set("providers.webhook.idempotent", "true");
    let worker = setup.start().await;
    let producer = setup.producer(Topology::default()).await;
    let verification = setup.issue("+8613912345678", "012345", LIFE).await;

    let task = Signature::new(verification.task(&setup.keys())).queue(&setup.queue);
    let id = producer.enqueue(task).await.unwrap();

    let requests = provider.wait_for(4, Duration::from_mins(1)).await;
    for (request, attempt) in requests.iter().zip(1..) {
        assert_eq!((&request.key, request.attempt), (&id, attempt));
    }
    assert_eq!(provider.texts_deduped().len(), 1);
    let sent = async || setup.delivery(&verification).await == DeliveryState::Sent;
    assert!(eventually(SOON, sent).await);
    setup.finish(worker).await;
}
