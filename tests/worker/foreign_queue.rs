//! A queue that another program owns, as `celery` is: what is not ours goes on, unchanged.

use std::collections::BTreeMap;

use lapin::types::{AMQPValue, FieldTable};
use postrider_tests::{
    amqp::Envelope,
    celery::{OddMessage, fixture, odd_messages, send_sms},
    provider::{Answer, Provider},
    servers::eventually,
    worker::{PATIENCE, Setup},
};

use super::SOON;

const NO_ENV: [(&str, &str); 0] = [];

#[tokio::test]
async fn tasks_of_another_program_go_to_the_unclaimed_queue_unchanged_and_ours_is_executed() {
    let provider = Provider::start().await;
    let setup = Setup::new("foreign").provider(&provider).foreign();
    let amqp = setup.amqp().await;
    // As Celery declares it, and before the worker: the queue is taken as it is.
    amqp.declare(&setup.queue, FieldTable::default()).await;
    let worker = setup.start().await;

    let mut theirs: Vec<Envelope> =
        odd_messages().into_iter().map(|OddMessage { message, .. }| message).collect();
    let typed = fixture("task-custom-headers");
    theirs.extend([
        fixture("task-stamped"),
        typed.with_header("task", AMQPValue::LongString("shop.other".into())),
        Envelope { body: vec![0xff, 0x00], ..Envelope::default() },
    ]);
    for message in &theirs {
        amqp.publish(&setup.queue, message).await;
    }
    let id = super::fresh_id();
    amqp.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;

    assert_eq!(provider.wait_for(1, SOON).await[0].id, id);
    let unclaimed = format!("{}.unclaimed", setup.queue);
    let expected = u32::try_from(theirs.len()).unwrap();
    assert!(eventually(SOON, async || amqp.ready(&unclaimed).await == Some(expected)).await);
    let mut found = Vec::new();
    for _ in &theirs {
        found.push(amqp.take(&unclaimed, SOON).await);
    }
    for message in &theirs {
        let place = found.iter().position(|other| same(other, message));
        found.swap_remove(place.unwrap_or_else(|| panic!("{message:#?} is not among {found:#?}")));
    }
    assert_eq!(setup.dead_letters().await, []);
    let log = setup.finish(worker).await;
    assert!(log.contains("give our tasks a queue of their own"), "{log}");
}

#[tokio::test]
async fn a_queue_with_a_name_as_celery_allows_it_is_consumed_and_its_retries_come_back() {
    let mut first = true;
    let provider =
        Provider::answering(
            move |_| {
                if std::mem::take(&mut first) { Answer::status(429) } else { Answer::taken() }
            },
        )
        .await;
    let setup = Setup::new("name").provider(&provider).foreign().queue_suffix(".tenant:high/1 %*");
    let worker = setup.start().await;
    let id = super::fresh_id();

    setup.amqp().await.publish(&setup.queue, &send_sms(&id, "13800138000", "123456")).await;

    let requests = provider.wait_for(2, SOON).await;
    assert_eq!((&requests[1].id, requests[1].attempt), (&id, 2));
    setup.finish(worker).await;
}

/// Properties, headers with their types, and body. No table of headers is as good as an empty one, and a quorum queue
/// puts a count of its own into it.
fn same(found: &Envelope, published: &Envelope) -> bool {
    let plain = |message: &Envelope| message.properties.clone().with_headers(FieldTable::default());
    let mut headers: BTreeMap<_, _> = found.headers().inner().clone();
    headers.remove("x-delivery-count");
    headers == *published.headers().inner()
        && (plain(found), &found.body) == (plain(published), &published.body)
}

#[tokio::test]
async fn a_call_of_ours_that_cannot_be_read_is_kept_there_too() {
    let setup = Setup::new("foreign-bad").foreign();
    let amqp = setup.amqp().await;
    let worker = setup.start().await;

    let message = Envelope { body: b"[[], {}, {}]".to_vec(), ..fixture("task-delay") };
    amqp.publish(&setup.queue, &message).await;

    let letters = setup.wait_for_dead_letters(1, SOON).await;
    assert_eq!((letters[0].reason.as_str(), letters[0].task.as_str()), ("undecodable", "ccp_send_sms_code"));
    setup.finish(worker).await;
}

/// `-Q celery,sms`, while a shop moves.
#[tokio::test]
async fn one_worker_serves_a_queue_of_its_own_and_another_programs() {
    let provider = Provider::start().await;
    let setup = Setup::new("both").provider(&provider);
    let (foreign, amqp) = (format!("{}.celery", setup.queue), setup.amqp().await);
    amqp.declare(&foreign, FieldTable::default()).await;

    let queues = format!("{foreign},{}", setup.queue);
    let mut worker = setup.spawn(["-Q", &queues, "-c", "10", "-l", "debug", "-n", "w7@%h"], NO_ENV);
    worker.wait_for_line(|line| line.contains(&format!("consuming queues={queues}")), PATIENCE).await;
    amqp.publish(&foreign, &send_sms(&super::fresh_id(), "13800138000", "123456")).await;
    amqp.publish(&setup.queue, &send_sms(&super::fresh_id(), "13800138001", "123456")).await;
    amqp.publish(&foreign, &fixture("task-stamped")).await;

    let mut numbers: Vec<String> = provider.wait_for(2, SOON).await.into_iter().map(|sent| sent.to).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["+8613800138000", "+8613800138001"]);
    let unclaimed = format!("{foreign}.unclaimed");
    let forwarded = amqp.take(&unclaimed, SOON).await;
    assert_eq!(forwarded.text("task").as_deref(), Some("add"));
    let log = setup.finish(worker).await;
    assert!(log.contains("worker.name=w7@") && log.contains("concurrency=10 "), "{log}");
    amqp.delete([&foreign, &unclaimed]).await;
}
