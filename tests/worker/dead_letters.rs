//! `dead list|replay|drop`: what could not be done, kept without a code or a number that anybody could read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::types::AMQPValue;
use postrider_core::clock::Clock;
use postrider_tests::{
    amqp::Envelope,
    celery::send_sms,
    provider::{Answer, Provider},
    servers::eventually,
    worker::{Output, Setup},
};

use super::{SOON, fresh_id, in_time};

const MOBILE: &str = "13912345678";
const CODE: &str = "867530";

#[tokio::test]
async fn a_dead_letter_shows_its_reason_and_neither_code_nor_number() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("canary").provider(&provider);
    let worker = setup.start().await;
    let id = fresh_id();

    setup.amqp().await.publish(&setup.queue, &last_try(&id)).await;

    let letters = setup.wait_for_dead_letters(1, SOON).await;
    assert_eq!(letters[0].id, id);
    assert_eq!(letters[0].task, "ccp_send_sms_code");
    assert_eq!((letters[0].reason.as_str(), letters[0].retries), ("exhausted:throttled", 3));
    let messages = setup.dead_messages().await;
    assert_eq!(messages.len(), 1);
    let headers = format!("{:?}", messages[0].headers());
    assert_eq!(messages[0].text("postrider-id"), Some(id.clone()));
    let listed = setup.dead(&["list"]).await.text;
    let line = listed.lines().find(|line| line.contains(&id)).unwrap();
    assert!(line.contains("exhausted:throttled") && line.contains(&setup.queue), "{line}");
    let log = setup.finish(worker).await;
    for text in [&String::from_utf8_lossy(&messages[0].body), headers.as_str(), &listed, &log] {
        assert!(!text.contains(MOBILE) && !text.contains(CODE), "{text}");
    }
    assert!(setup.dead(&["drop", &id]).await.status.success());
}

#[tokio::test]
async fn a_replayed_task_is_sent_and_no_other_is_touched() {
    let works = Arc::new(AtomicBool::new(false));
    let provider = Provider::answering({
        let works = Arc::clone(&works);
        move |_| if works.load(Ordering::SeqCst) { Answer::taken() } else { Answer::status(429) }
    })
    .await;
    let setup = Setup::new("replay").provider(&provider);
    let worker = setup.start().await;
    let amqp = setup.amqp().await;
    let (replayed, left) = (fresh_id(), fresh_id());
    for id in [&replayed, &left] {
        amqp.publish(&setup.queue, &last_try(id)).await;
    }
    setup.wait_for_dead_letters(2, SOON).await;
    works.store(true, Ordering::SeqCst);

    let Output { status, text } = setup.dead(&["replay", &replayed]).await;

    assert!(status.success() && text.contains("1 replayed, 0 left"), "{text}");
    let requests = provider.wait_for(3, SOON).await;
    assert_eq!((&requests[2].id, requests[2].to.as_str()), (&replayed, "+8613912345678"));
    let ids: Vec<String> = setup.dead_letters().await.into_iter().map(|letter| letter.id).collect();
    assert_eq!(ids, [left.as_str()]);
    assert!(setup.dead(&["drop", &left]).await.status.success());
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.texts().len(), 1);
}

#[tokio::test]
async fn a_replayed_task_that_fails_again_has_all_its_tries_again() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("replay-again").provider(&provider);
    let mut worker = setup.start().await;
    let id = fresh_id();
    setup.amqp().await.publish(&setup.queue, &last_try(&id)).await;
    setup.wait_for_dead_letters(1, SOON).await;

    assert!(setup.dead(&["replay", &id]).await.status.success());

    worker
        .wait_for_line(|line| line.contains("task will be retried") && line.contains("retries=1"), SOON)
        .await;
    // The second life ends with the worker; its copy in the delay ladder is taken out here.
    worker.sigterm();
    worker.wait(SOON).await;
    setup.amqp().await.take(&setup.queue, SOON).await;
    setup.clean_up().await;
    assert_eq!(provider.requests().len(), 2);
}

#[tokio::test]
async fn the_replay_of_a_code_that_ran_out_is_refused_and_the_letter_stays_until_it_is_dropped() {
    let provider = Provider::answering(|_| Answer::status(429)).await;
    let setup = Setup::new("replay-late").provider(&provider);
    let worker = setup.start().await;
    let id = fresh_id();
    let message = last_try(&id).with_header("expires", in_time(Duration::from_secs(3)));
    setup.amqp().await.publish(&setup.queue, &message).await;
    let letters = setup.wait_for_dead_letters(1, SOON).await;
    let end = letters[0].not_after.as_deref().unwrap().parse().unwrap();
    assert!(eventually(SOON, async || Clock::System.now() > end).await);

    let Output { status, text } = setup.dead(&["replay", &id]).await;

    assert_eq!(status.code(), Some(1), "{text}");
    assert!(
        text.contains("a code that has run out is not sent") && text.contains("0 replayed, 1 left"),
        "{text}"
    );
    assert_eq!(setup.dead_letters().await, letters);
    let dropped = setup.dead(&["drop", &id]).await;
    assert!(dropped.status.success() && dropped.text.contains("1 dropped"), "{}", dropped.text);
    assert_eq!(setup.dead_letters().await, []);
    setup.finish(worker).await;
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_letter_that_is_not_there_is_an_error_and_nothing_is_done() {
    let setup = Setup::new("not-there");
    let worker = setup.start().await;

    for verb in ["replay", "drop"] {
        let Output { status, text } = setup.dead(&[verb, &fresh_id()]).await;
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(text.contains("not all that were named were found"), "{text}");
        assert!(!setup.dead(&[verb]).await.status.success(), "{verb} needs an id or --all");
    }
    setup.finish(worker).await;
}

#[tokio::test]
async fn the_letter_of_a_message_with_a_header_that_cannot_be_read_has_its_id_all_the_same() {
    let setup = Setup::new("letter-id");
    let worker = setup.start().await;
    let id = fresh_id();

    let message = send_sms(&id, MOBILE, CODE).with_header("eta", AMQPValue::LongString("tomorrow".into()));
    setup.amqp().await.publish(&setup.queue, &message).await;

    let letters = setup.wait_for_dead_letters(1, SOON).await;
    assert_eq!((letters[0].id.as_str(), letters[0].task.as_str()), (id.as_str(), "ccp_send_sms_code"));
    assert!(setup.dead(&["drop", &id]).await.status.success());
    setup.finish(worker).await;
}

/// A call as it comes back for its last try: one more refusal and it is a dead letter.
fn last_try(id: &str) -> Envelope {
    send_sms(id, MOBILE, CODE).with_header("retries", AMQPValue::LongInt(3))
}
