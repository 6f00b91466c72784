//! Messages with something odd about them, three of which stop a stock Celery worker. None stops this one.

use std::collections::BTreeMap;

use lapin::types::AMQPValue;
use postrider_tests::{
    amqp::Envelope,
    celery::{CCP, OddMessage, fixture, odd_messages, text},
    provider::Provider,
    servers::eventually,
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
    // No `task` or no `id`, no table of headers, and an eta and an expires that are no instants.
    assert_eq!(reasons, BTreeMap::from([("undecodable", 5), ("unknown_task", 17)]));
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
            (End::Dead(_), "no_id" | "no_headers") => {}
            (End::Dead(expected), _) => assert_eq!((reason, executed), (Some(*expected), false), "{case}"),
            (_, _) => assert_eq!((reason, executed), (None, *end == End::Executed), "{case}"),
        }
    }
    let without_id = letters.iter().filter(|letter| letter.id.is_empty());
    assert_eq!(without_id.filter(|letter| letter.reason == "undecodable").count(), 2);
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

#[tokio::test]
async fn whatever_is_broken_in_a_call_it_is_executed_or_kept_and_nothing_stops_the_worker() {
    const MESSAGES: usize = 150;
    let provider = Provider::start().await;
    let setup = Setup::new("fuzzed").provider(&provider);
    let mut worker = setup.start().await;
    let amqp = setup.amqp().await;
    let mut dice = Dice(0x5eed);

    let calls =
        ["task-delay", "task-kwargs", "task-priority", "task-serializer-msgpack", "task-compression-gzip"];
    for n in 0..MESSAGES {
        let call = fixture(calls[n % calls.len()]).with_header("id", text(&super::fresh_id()));
        amqp.publish(&setup.queue, &broken(call, &mut dice)).await;
    }

    let ended = async || provider.requests().len() + setup.dead_letters().await.len();
    assert!(eventually(SOON, async || ended().await >= MESSAGES).await, "{} ended", ended().await);
    let (sent, kept) = (provider.requests().len(), setup.dead_letters().await);
    assert_eq!(sent + kept.len(), MESSAGES);
    assert!(sent > 0 && !kept.is_empty(), "{sent} sent, {} kept", kept.len());
    assert!(kept.iter().all(|letter| !letter.reason.is_empty() && !letter.detail.contains("123456")));
    assert!(worker.is_running());
    setup.finish(worker).await;
}

/// Draws the same numbers in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("below a usize")
    }
}

/// The call with one thing broken: in its body, in one of its headers, or in what says how to read it.
fn broken(mut call: Envelope, dice: &mut Dice) -> Envelope {
    let at = dice.below(call.body.len());
    match dice.below(6) {
        0 => call.body[at] ^= 1 << dice.below(8),
        1 => call.body.truncate(at),
        2 => call.body.insert(at, u8::try_from(dice.below(256)).expect("below 256")),
        3 => call.properties = call.properties.with_content_type("application/x-msgpack".into()),
        _ => {
            let names: Vec<String> = call.headers().inner().keys().map(ToString::to_string).collect();
            let junk = [
                AMQPValue::Void,
                AMQPValue::Boolean(true),
                AMQPValue::LongLongInt(-1),
                AMQPValue::Double(1e300),
                AMQPValue::FieldArray(vec![AMQPValue::Void, text("x")].into()),
                text(&"x".repeat(5000 + dice.below(1000))),
                AMQPValue::LongString(vec![0xff, 0xfe].into()),
            ];
            let name = &names[dice.below(names.len())];
            call = call.with_header(name, junk[dice.below(junk.len())].clone());
        }
    }
    call
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
    let body = body
        .replace("m.add", CCP)
        .replace("p1-1", &format!("odd-{case}"))
        .replace("[2, 3]", r#"["13800138000", "123456"]"#);
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
        | "timelimit_null"
        | "protocol1" => End::Executed,
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
        | "expires_garbage" => End::Dead("undecodable"),
        other => panic!("say how {other} ends"),
    }
}
