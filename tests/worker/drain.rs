//! SIGTERM: nothing more is taken, what runs is finished, what was only handed out goes back.

use postrider_tests::{
    celery::send_sms,
    provider::{Answer, Provider},
    servers::eventually,
    worker::{Setup, ended},
};

use super::{SOON, fresh_id};

const TASKS: u32 = 6;

#[tokio::test]
async fn a_stopped_worker_finishes_its_task_and_gives_the_others_back() {
    let provider = Provider::answering(|_| Answer::taken().held()).await;
    let setup =
        Setup::new("drain").provider(&provider).set("worker.concurrency", "1").set("worker.prefetch", "5");
    let mut first = setup.start().await;
    let amqp = setup.amqp().await;
    for _ in 0..TASKS {
        amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;
    }
    provider.wait_for(1, SOON).await;
    assert!(eventually(SOON, async || amqp.ready(&setup.queue).await == Some(TASKS - 5)).await);

    first.sigterm();
    // Given back while the one task still runs, so that another worker has them at once.
    let back = eventually(SOON, async || amqp.ready(&setup.queue).await == Some(TASKS - 1)).await;
    assert!(back, "{:?} of {} came back", amqp.ready(&setup.queue).await, TASKS - 1);
    assert!(first.is_running());
    provider.release();
    let output = ended(first).await;

    assert_eq!(output.status.code(), Some(0), "{}", output.text);
    assert!(output.text.contains("worker has stopped"), "{}", output.text);
    assert_eq!(amqp.ready(&setup.queue).await, Some(TASKS - 1));
    let second = setup.start().await;
    provider.wait_for(TASKS as usize, SOON).await;
    setup.finish(second).await;
    assert_eq!(provider.texts_deduped().len(), TASKS as usize);
    assert_eq!(provider.requests().len(), TASKS as usize);
}

#[tokio::test]
async fn a_drain_that_takes_too_long_gives_the_task_back_and_says_so() {
    let provider = Provider::answering(|_| Answer::silence()).await;
    let setup = Setup::new("drain-late").provider(&provider).text("worker.drain_timeout", "300ms");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;
    provider.wait_for(1, SOON).await;

    worker.sigterm();
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(1), "{}", output.text);
    assert!(output.text.contains("they are back in their queues"), "{}", output.text);
    amqp.take(&setup.queue, SOON).await;
    setup.clean_up().await;
}

#[tokio::test]
async fn a_second_sigterm_stops_at_once() {
    let provider = Provider::answering(|_| Answer::silence()).await;
    let setup = Setup::new("drain-twice").provider(&provider).text("providers.webhook.timeout", "1m");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;
    provider.wait_for(1, SOON).await;

    worker.sigterm();
    worker.wait_for_line(|line| line.contains("worker drains"), SOON).await;
    worker.sigterm();

    let output = ended(worker).await;
    assert_eq!(output.status.code(), Some(1), "{}", output.text);
    amqp.take(&setup.queue, SOON).await;
    setup.clean_up().await;
}
