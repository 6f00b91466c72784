//! A queue that does not take the task: nothing is sent, and it is as if nobody had asked.

use lapin::{
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use postrider_tests::{
    api::{Answer, Api, ApiSetup},
    provider::Provider,
    servers::eventually,
    worker::{Setup, ended},
};

use super::{NUMBER, SOON, assert_problem, check_number, discard, look, redis_content};

fn assert_unavailable(answer: &Answer) {
    assert_problem("no queue", answer, 503, "queue_unavailable");
    assert_eq!(answer.text_of("sent"), "no", "{}", answer.text);
    assert!(answer.body["retry_after"].as_u64().is_some(), "{}", answer.text);
}

/// Deletes the queue, and leaves its exchange.
async fn delete_queue(setup: &Setup) {
    let channel = setup.amqp().await.channel().await;
    channel
        .queue_delete(setup.queue.as_str().into(), QueueDeleteOptions::default())
        .await
        .expect("the api has declared it");
}

/// Asks until it works. On the way the number must never be told to wait.
async fn ask_until_granted(api: &Api, to: &str) -> Answer {
    let mut granted = None;
    eventually(SOON, async || {
        let answer = api.create(to).await;
        if answer.status != 201 {
            assert_unavailable(&answer);
            return false;
        }
        granted = Some(answer);
        true
    })
    .await;
    granted.unwrap_or_else(|| panic!("not granted within {SOON:?}:\n{}", api.process.log()))
}

#[tokio::test]
async fn a_deleted_queue_leaves_no_trace_of_the_request_and_is_declared_again() {
    let setup = Setup::new("deleted");
    let api = ApiSetup::new(&setup).start().await;
    delete_queue(&setup).await;

    let refused = api.create(NUMBER).await;

    assert_unavailable(&refused);
    assert!(redis_content(&setup).await.is_empty(), "throttle and code must be taken back");
    assert_problem("no code", &check_number(&api, NUMBER, "123456").await, 404, "verification_not_found");
    let granted = ask_until_granted(&api, NUMBER).await;
    assert_eq!(granted.body["delivery"]["state"], "queued");
    assert_eq!(api.create(NUMBER).await.code(), "cooldown_active", "this one counts");
    assert!(api.becomes_ready(SOON).await);
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn an_earlier_code_that_did_arrive_is_the_newest_again() {
    let provider = Provider::start().await;
    let setup = Setup::new("earlier").provider(&provider);
    let mut worker = setup.start().await;
    let gapless = r#"[{ window = "1h", max = 2 }]"#;
    let api = ApiSetup::new(&setup).set("throttle.number", gapless).start().await;
    let first = api.create(NUMBER).await.id().to_owned();
    let code = provider.wait_for(1, SOON).await[0].code.clone();
    // A worker would declare the queue again.
    worker.sigterm();
    ended(worker).await;
    let before = redis_content(&setup).await;
    delete_queue(&setup).await;

    assert_unavailable(&api.create(NUMBER).await);

    assert_eq!(redis_content(&setup).await, before);
    let approved = check_number(&api, NUMBER, &code).await;
    assert_eq!((approved.status, approved.id()), (200, &*first), "{}", approved.text);
    api.finish().await;
    setup.clean_up().await;
}

#[tokio::test]
async fn a_deleted_exchange_leaves_it_unknown_and_is_declared_again() {
    let setup = Setup::new("no-exchange");
    let api = ApiSetup::new(&setup).start().await;
    let channel = setup.amqp().await.channel().await;
    channel.exchange_delete(setup.queue.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();

    // The broker closes the channel, and does not say for which of its messages.
    let unknown = api.create(NUMBER).await;

    assert_problem("no exchange", &unknown, 503, "queue_unconfirmed");
    assert_eq!(unknown.text_of("sent"), "unknown", "{}", unknown.text);
    assert_eq!(look(&api, unknown.id()).await.text_of("status"), "pending", "the code is kept");
    ask_until_granted(&api, "+8613800138001").await;
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn a_queue_that_was_never_there_and_may_not_be_declared_is_waited_for() {
    let setup = Setup::new("undeclared");
    let api = ApiSetup::new(&setup).set("amqp.declare", "false").listening().await;

    let refused = api.create(NUMBER).await;
    let ready = api.get("/readyz").await;

    assert_unavailable(&refused);
    assert_eq!((ready.status, &ready.body["broker"]), (503, &false.into()), "{}", ready.text);
    assert!(redis_content(&setup).await.is_empty());
    assert!(setup.command(&["topology", "apply"]).await.status.success());
    ask_until_granted(&api, NUMBER).await;
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn a_full_queue_is_a_refusal_and_the_number_may_ask_again_at_once() {
    let setup = Setup::new("full");
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let amqp = setup.amqp().await;
    amqp.declare(&setup.queue, arguments).await;
    let api = ApiSetup::new(&setup).set("queue.owned", "false").start().await;
    let first = api.create("+8613800138001").await;
    assert_eq!(first.status, 201, "{}", first.text);
    let before = redis_content(&setup).await;

    let refused = [api.create(NUMBER).await, api.create(NUMBER).await];

    refused.iter().for_each(assert_unavailable);
    assert_eq!(redis_content(&setup).await, before);
    assert_eq!(look(&api, first.id()).await.status, 200, "what is in the queue stays good");
    assert!(api.becomes_ready(SOON).await, "one full queue does not make the broker unusable");
    amqp.take(&setup.queue, SOON).await;
    assert_eq!(api.create(NUMBER).await.status, 201);
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}
