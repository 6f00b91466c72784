//! Messages with something odd about them, three of which stop a stock Celery worker. None stops this one.

use std::collections::BTreeMap;

use postrider_tests::{
    amqp::Envelope,
    celery::{CCP, OddMessage, odd_messages, text},
    provider::Provider,
    worker::Setup,
};

use super::SOON;

/// How a message may end.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Executed,
    Expired,
    Dead(&'static str),
}

#[tokio::test]
async fn every_odd_message_for_nobody_is_kept_with_its_reason() {
    let setup = Setup::new("odd-unknown");
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;

    let odd = odd_messages();
    for OddMessage { message, .. } in &odd {
        amqp.publish(&setup.queue, message).await;
    }

    let letters = setup.wait_for_dead_letters(odd.len(), SOON).await;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in &letters {
        *reasons.entry(&letter.reason).or_default() += 1;
    }
    // No `task` or no `id`, no table of headers, protocol 1, and an eta and an expires that are no instants.
    assert_eq!(reasons, BTreeMap::from([("undecodable", 6), ("unknown_task", 16)]));
    assert!(worker.is_running());
    setup.finish(worker).await;
}

#[tokio::test]
async fn every_odd_call_of_the_tutorials_task_is_executed_or_expires_or_is_kept_with_its_reason() {
    let provider = Provider::start().await;
    let setup = Setup::new("odd-ccp").provider(&provider);
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;

    let odd = odd_messages();
    for OddMessage { case, message } in &odd {
        amqp.publish(&setup.queue, &as_call(case, message)).await;
    }

    let ends: Vec<(&str, End)> = odd.iter().map(|odd| (odd.case.as_str(), end(&odd.case))).collect();
    let count = |wanted: fn(&End) -> bool| ends.iter().filter(|(_, end)| wanted(end)).count();
    let requests = provider.wait_for(count(|end| *end == End::Executed), SOON).await;
    let letters = setup.wait_for_dead_letters(count(|end| matches!(end, End::Dead(_))), SOON).await;
    let expired = |line: &str| line.contains("end of life has passed") && line.contains("odd-expires_past");
    worker.wait_for_line(expired, SOON).await;
    for (case, end) in &ends {
        let id = format!("odd-{case}");
        let executed = requests.iter().any(|request| request.id == id);
        let reason = letters.iter().find(|letter| letter.id == id).map(|letter| letter.reason.as_str());
        match (end, *case) {
            // Counted below.
            (End::Dead(_), "no_id" | "no_headers" | "protocol1") => {}
            (End::Dead(expected), _) => assert_eq!((reason, executed), (Some(*expected), false), "{case}"),
            (_, _) => assert_eq!((reason, executed), (None, *end == End::Executed), "{case}"),
        }
    }
    let without_id = letters.iter().filter(|letter| letter.id.is_empty());
    assert_eq!(without_id.filter(|letter| letter.reason == "undecodable").count(), 3);
    assert!(worker.is_running());
    setup.finish(worker).await;
}

#[tokio::test]
async fn a_greeting_from_a_plain_client_ends_with_a_reason() {
    let setup = Setup::new("hello");
    let mut worker = setup.start().await;

    let hello = Envelope { body: b"Hello RabbitMQ!".to_vec(), ..Envelope::default() };
    setup.amqp().await.publish(&setup.queue, &hello).await;

    let letters = setup.wait_for_dead_letters(1, SOON).await;
    assert_eq!(letters[0].reason, "undecodable");
    assert!(letters[0].detail.contains("not a Celery task message"), "{}", letters[0].detail);
    assert!(worker.is_running());
    setup.finish(worker).await;
}

/// The captures call `m.add(2, 3)`; here they call the tutorial's task, with what is odd about them kept.
fn as_call(case: &str, message: &Envelope) -> Envelope {
    let mut call = message.clone();
    if call.text("task").as_deref() == Some("m.add") {
        call = call.with_header("task", text(CCP));
    }
    if call.text("id").is_some() {
        call = call.with_header("id", text(&format!("odd-{case}")));
    }
    let body = String::from_utf8(call.body).expect("the captures are text");
    let body = body.replace("m.add", CCP).replace("[2, 3]", r#"["13800138000", "123456"]"#);
    Envelope { body: body.into_bytes(), ..call }
}

fn end(case: &str) -> End {
    match case {
        "minimal"
        | "no_lang"
        | "embed_null"
        | "no_content_type"
        | "no_content_encoding"
        | "eta_z"
        | "eta_naive"
        | "retries_string"
        | "timelimit_null" => End::Executed,
        "expires_past" => End::Expired,
        "unregistered" => End::Dead("unknown_task"),
        "no_id"
        | "no_task"
        | "no_headers"
        | "two_item_body"
        | "kwargs_null"
        | "bad_json"
        | "unknown_content_type"
        | "wrong_arity"
        | "eta_garbage"
        | "expires_garbage"
        | "protocol1" => End::Dead("undecodable"),
        other => panic!("say how {other} ends"),
    }
}
