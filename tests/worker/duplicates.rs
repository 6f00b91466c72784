//! One message in many copies: a producer that was not sure and published again, a broker that hands out again.

use std::time::Duration;

use postrider_tests::{
    celery::send_sms,
    provider::{Answer, Provider},
    servers::{Proc, Redis, eventually},
    worker::Setup,
};

use super::{SOON, fresh_id};

/// More than the starts without an end that make a task poison.
const COPIES: usize = 20;

#[tokio::test]
async fn ten_copies_of_a_message_are_one_sms() {
    let provider = Provider::start().await;
    let setup = Setup::new("copies").provider(&provider).text("sms.lease", "6s");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    let id = fresh_id();

    for _ in 0..10 {
        amqp.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;
    }

    succeeded(&mut worker, &id, 10).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn copies_that_all_wait_for_a_slow_redis_are_one_sms() {
    let mut redis = Redis::start().await;
    let provider = Provider::start().await;
    let setup = Setup::new("copies-slow").provider(&provider).text("redis.url", &redis.url());
    let setup = setup.text("redis.timeout", "20s").text("sms.lease", "6s");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    let id = fresh_id();

    redis.freeze();
    for _ in 0..COPIES {
        amqp.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;
    }
    assert!(eventually(SOON, async || amqp.ready(&setup.queue).await == Some(0)).await);
    redis.thaw();

    succeeded(&mut worker, &id, COPIES).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn copies_that_come_during_the_call_wait_for_its_outcome() {
    let provider = Provider::answering(|_| Answer::taken().held()).await;
    let setup = Setup::new("copies-during").provider(&provider).text("sms.lease", "6s");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    let id = fresh_id();

    amqp.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;
    provider.wait_for(1, SOON).await;
    for _ in 0..6 {
        amqp.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;
    }
    worker.wait_for_line(|line| line.contains("task snoozes") && line.contains(&id), SOON).await;
    provider.release();

    succeeded(&mut worker, &id, 7).await;
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

/// Waits until so many copies ended well.
async fn succeeded(worker: &mut Proc, id: &str, copies: usize) {
    let mut seen = 0;
    let good = |line: &str| {
        seen += usize::from(line.contains("task succeeded") && line.contains(id));
        seen == copies
    };
    worker.wait_for_line(good, Duration::from_secs(40)).await;
}
