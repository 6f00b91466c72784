//! A broker that takes a message and never says so.

use std::time::Duration;

use postrider_tests::{
    api::ApiSetup,
    provider::Provider,
    servers::{RabbitMq, Redis},
    worker::{PATIENCE, Setup},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_publish_keeps_the_code_and_the_window_and_the_sms_still_checks_out() {
    let (mut rabbitmq, redis) = tokio::join!(RabbitMq::start(), Redis::start());
    let provider = Provider::start().await;
    let setup = Setup::new("unconfirmed").broker(&rabbitmq.url()).redis(&redis.url()).provider(&provider);
    let worker = setup.start().await;
    let api = ApiSetup::new(&setup).text("amqp.publish_timeout", "1s").start().await;

    rabbitmq.freeze();
    let unknown = api.create("+8613800138000").await;
    let again = api.create("+8613800138000").await;
    rabbitmq.thaw();

    assert_eq!(
        (unknown.status, unknown.code(), unknown.text_of("sent")),
        (503, "queue_unconfirmed", "unknown")
    );
    assert_eq!((again.status, again.code()), (429, "cooldown_active"), "the window must be kept");
    let requests = provider.wait_for(1, PATIENCE).await;
    let checked = api.check(unknown.id(), &requests[0].code).await;
    assert_eq!(checked.status, 200, "{}", checked.text);
    setup.finish(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_503_within_its_timeout() {
    let (rabbitmq, mut redis) = tokio::join!(RabbitMq::start(), Redis::start());
    let setup = Setup::new("frozen").broker(&rabbitmq.url()).redis(&redis.url());
    let api = ApiSetup::new(&setup).text("redis.timeout", "300ms").start().await;

    redis.freeze();
    let refused = tokio::time::timeout(Duration::from_secs(10), api.create("+8613800138000")).await;
    redis.thaw();

    let refused = refused.expect("an answer, long before the client gives up");
    assert_eq!((refused.status, refused.code(), refused.text_of("sent")), (503, "store_unavailable", "no"));
    drop(rabbitmq);
}
