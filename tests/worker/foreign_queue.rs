//! A queue that another program owns, as `celery` is: what is not ours goes on, unchanged.

use lapin::types::{AMQPValue, FieldTable};
use postrider_tests::{
    amqp::Envelope,
    celery::{OddMessage, fixture, odd_messages, send_sms},
    provider::Provider,
    servers::eventually,
    worker::Setup,
};

use super::SOON;

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
        let place = found.iter().position(|other| other == message);
        found.swap_remove(place.unwrap_or_else(|| panic!("{message:#?} is not among {found:#?}")));
    }
    assert_eq!(setup.dead_letters().await, []);
    let log = setup.finish(worker).await;
    assert!(log.contains("give our tasks a queue of their own"), "{log}");
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
