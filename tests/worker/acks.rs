//! Acks are sent together, and what is finished does not wait for what is not.

use postrider_tests::{
    celery::send_sms,
    provider::{Answer, Provider},
    worker::{Setup, ended},
};

use super::{SOON, fresh_id};

/// More than the prefetch, so that the later ones are handed out only when earlier ones are acked.
const TASKS: u32 = 40;

#[tokio::test]
async fn tasks_that_end_behind_one_that_runs_are_acked_all_the_same_and_all_are_when_the_worker_stops() {
    let mut first = true;
    let provider = Provider::answering(move |_| {
        if std::mem::take(&mut first) { Answer::taken().held() } else { Answer::taken() }
    })
    .await;
    let setup =
        Setup::new("acks").provider(&provider).set("worker.concurrency", "4").set("worker.prefetch", "4");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;

    for _ in 0..TASKS {
        amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;
    }
    // The first is not answered yet.
    provider.wait_for(TASKS as usize, SOON).await;
    provider.release();
    worker.sigterm();
    let output = ended(worker).await;

    assert_eq!(output.status.code(), Some(0), "{}", output.text);
    assert_eq!(output.text.matches("task succeeded").count(), TASKS as usize);
    assert_eq!(
        amqp.ready(&setup.queue).await,
        Some(0),
        "an ack was not sent before the connection was closed"
    );
    assert_eq!(provider.requests().len(), TASKS as usize);
    setup.clean_up().await;
}
