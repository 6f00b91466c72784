//! Sealed codes, as the producer enqueues them.

use std::time::Duration;

use postrider_core::{broker::topology::Topology, task::Signature, verification::DeliveryState};
use postrider_tests::{provider::Provider, servers::eventually, worker::Setup};

use super::SOON;

const LIFE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn a_sealed_code_is_sent_once_and_its_verification_says_so() {
    let provider = Provider::start().await;
    let setup = Setup::new("sealed").provider(&provider);
    let worker = setup.start().await;
    let verification = setup.issue("+8613912345678", "012345", LIFE).await;
    let producer = setup.producer(Topology::default()).await;

    let task = Signature::new(verification.task(&setup.keys())).queue(&setup.queue);
    let id = producer.enqueue(task).await.unwrap();

    let requests = provider.wait_for(1, SOON).await;
    let text = (id, "+8613912345678".to_owned(), "012345".to_owned());
    assert_eq!(provider.texts(), [text]);
    assert_eq!((requests[0].minutes, requests[0].attempt), (5, 1));
    let sent = async || setup.delivery(&verification).await == DeliveryState::Sent;
    assert!(eventually(SOON, sent).await);
    let log = setup.finish(worker).await;
    assert!(!log.contains("13912345678") && !log.contains("012345"), "{log}");
    assert_eq!(provider.texts().len(), 1);
}

#[tokio::test]
async fn a_code_that_ran_out_is_not_sent_and_its_verification_says_so() {
    let provider = Provider::start().await;
    let setup = Setup::new("ran-out").provider(&provider);
    let mut worker = setup.start().await;
    let verification = setup.issue("+8613912345678", "012345", Duration::ZERO).await;
    let producer = setup.producer(Topology::default()).await;

    let task = Signature::new(verification.task(&setup.keys())).queue(&setup.queue);
    let id = producer.enqueue(task).await.unwrap();

    let ended = |line: &str| line.contains("its end of life has passed") && line.contains(&id);
    worker.wait_for_line(ended, SOON).await;
    assert_eq!(setup.delivery(&verification).await, DeliveryState::Expired);
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn a_json_log_is_an_object_a_line_and_shows_neither_code_nor_number() {
    let provider = Provider::start().await;
    let setup = Setup::new("json").provider(&provider).text("log.format", "json").text("log.level", "trace");
    let worker = setup.start().await;
    let verification = setup.issue("+8613912345678", "867530", LIFE).await;
    let producer = setup.producer(Topology::default()).await;

    let task = Signature::new(verification.task(&setup.keys())).queue(&setup.queue);
    let id = producer.enqueue(task).await.unwrap();
    provider.wait_for(1, SOON).await;

    let log = setup.finish(worker).await;
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let succeeded = lines.iter().find(|line| line["message"] == "task succeeded").expect(&log);
    assert_eq!(succeeded["task.id"], id.as_str());
    assert!(succeeded["duration_ms"].is_u64(), "{succeeded}");
    assert!(!log.contains("13912345678") && !log.contains("867530"), "{log}");
}
