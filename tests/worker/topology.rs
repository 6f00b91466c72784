//! The exchanges and queues on the broker: printed, checked, created, and never quietly different.

use lapin::types::{AMQPValue, FieldTable};
use postrider_tests::{
    celery::send_sms,
    provider::Provider,
    worker::{Output, PATIENCE, Setup, ended},
};

use super::{SOON, fresh_id};

const NO_ARGS: [&str; 0] = [];
const NO_ENV: [(&str, &str); 0] = [];

#[tokio::test]
async fn what_is_missing_is_named_by_check_and_created_by_apply() {
    let setup = Setup::new("apply");
    let amqp = setup.amqp().await;

    let before = setup.command(&["topology", "check"]).await;
    assert_eq!(amqp.ready(&setup.queue).await, None);
    let applied = setup.command(&["topology", "apply"]).await;
    let after = setup.command(&["topology", "check"]).await;
    let again = setup.command(&["topology", "apply"]).await;

    assert_eq!(before.status.code(), Some(1), "{}", before.text);
    let says = format!("{}.returned does not exist: run `postrider-worker topology apply`", setup.queue);
    assert!(before.text.contains(&says), "{}", before.text);
    for Output { status, text } in [applied, after, again] {
        assert!(status.success() && text.contains("the broker has all"), "{text}");
    }
    assert_eq!(amqp.ready(&setup.queue).await, Some(0));
    setup.clean_up().await;
}

#[tokio::test]
async fn print_shows_the_queue_with_its_arguments_and_asks_no_broker() {
    let setup = Setup::new("print").text("amqp.url", "amqp://nobody:none@127.0.0.1:1/%2f");

    let Output { status, text } = setup.command(&["topology", "print"]).await;

    assert!(status.success(), "{text}");
    let queue = format!("queue {} (durable)", setup.queue);
    let line =
        text.lines().find(|line| line.starts_with(&queue)).unwrap_or_else(|| panic!("{queue} in {text}"));
    for argument in [
        "x-queue-type=quorum",
        "x-delivery-limit=200",
        &format!("x-dead-letter-exchange={}.returned", setup.queue),
        &format!("x-dead-letter-routing-key={}.returned", setup.queue),
        "x-dead-letter-strategy=at-least-once",
        "x-overflow=reject-publish",
    ] {
        assert!(line.split(' ').any(|part| part == argument), "{argument} in {line}");
    }
    let foreign = Setup::new("print").foreign();
    let text = foreign.command(&["topology", "print"]).await.text;
    assert!(text.contains(&format!("queue {} (durable, another program's)", foreign.queue)), "{text}");
    assert!(
        text.contains(&format!("queue {}.unclaimed (durable, another program's)", foreign.queue)),
        "{text}"
    );
}

#[tokio::test]
async fn a_queue_with_other_arguments_stops_the_start_with_one_clear_message() {
    let setup = Setup::new("other");
    let amqp = setup.amqp().await;
    // As Python declares it when nobody told it otherwise.
    amqp.declare(&setup.queue, FieldTable::default()).await;

    let started = ended(setup.spawn(NO_ARGS, NO_ENV)).await;
    let checked = setup.command(&["topology", "check"]).await;
    let applied = setup.command(&["topology", "apply"]).await;

    let says = format!("the queue {} exists with other arguments", setup.queue);
    assert_eq!(started.status.code(), Some(78), "{}", started.text);
    let last_words = started.text.lines().last().unwrap_or_default();
    assert!(
        last_words.starts_with("postrider-worker: topology: ") && last_words.contains(&says),
        "{}",
        started.text
    );
    assert!(!started.text.contains("consuming"), "{}", started.text);
    for Output { status, text } in [checked, applied] {
        assert!(!status.success() && text.contains(&says), "{status}: {text}");
    }
    setup.clean_up().await;
}

#[tokio::test]
async fn a_classic_queue_of_python_is_owned_when_the_configuration_says_so() {
    let provider = Provider::start().await;
    let setup = Setup::new("classic-owned").provider(&provider).queue_type("classic");
    let amqp = setup.amqp().await;
    amqp.declare(&setup.queue, FieldTable::default()).await;
    let worker = setup.start().await;

    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;

    provider.wait_for(1, SOON).await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn another_programs_queue_is_taken_as_it_is() {
    let provider = Provider::start().await;
    let setup = Setup::new("as-it-is").provider(&provider).foreign();
    let amqp = setup.amqp().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-priority".into(), AMQPValue::LongInt(9));
    amqp.declare(&setup.queue, arguments).await;
    let worker = setup.start().await;

    amqp.publish(&setup.queue, &send_sms(&fresh_id(), "13800138000", "123456")).await;

    provider.wait_for(1, SOON).await;
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_worker_that_may_not_declare_names_what_is_missing_and_begins_when_it_is_there() {
    let setup = Setup::new("may-not").set("amqp.declare", "false");

    let mut worker = setup.spawn(NO_ARGS, NO_ENV);
    let missing = |line: &str| line.contains(&setup.queue) && line.contains("topology apply");
    worker.wait_for_line(missing, PATIENCE).await;
    assert!(!worker.log().contains("consuming queues="));
    assert!(setup.command(&["topology", "apply"]).await.status.success());

    worker.wait_for_line(|line| line.contains("consuming queues="), PATIENCE).await;
    setup.finish(worker).await;
}
