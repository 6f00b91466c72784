//! What is written for a call is what Celery wrote for the same call, but for the ids, the origin and the language.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::*;
use super::{plan, sms};
use crate::broker::message::{Message, Value as Header};
use crate::canvas::{chain, chord, group};
use crate::celery::fixtures;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SendSmsByName {
    mobile: String,
    code: String,
}

impl Task for SendSmsByName {
    const NAME: &'static str = "ccp_send_sms_code";
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Add(i64, i64);

impl Task for Add {
    const NAME: &'static str = "add";
}

/// Both messages without what is bound to differ.
fn same(case: &str, ours: &Message, celerys: &Message) {
    let plain = |message: &Message| {
        let mut message = message.clone();
        let id = message.header("id").unwrap().to_owned();
        for name in ["lang", "origin", VERSION_HEADER] {
            message.headers.remove(name);
        }
        for (name, value) in &mut message.headers {
            if *value == Header::Str(id.clone()) {
                *value = format!("its own id in {name}").into();
            }
        }
        assert_eq!(message.properties.correlation_id.take(), Some(id), "{case}");
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        (message.properties, message.headers, body)
    };
    let ((our_properties, our_headers, our_body), (properties, headers, body)) =
        (plain(ours), plain(celerys));
    assert_eq!(our_properties, properties, "{case}");
    assert_eq!(our_headers, headers, "{case}");
    assert_eq!(our_body, body, "{case}");
}

fn captured(name: &str) -> Message {
    fixtures::messages(name).remove(0)
}

/// The instant at which a call with that countdown or life was made.
fn made(message: &Message, header: &str, before: Duration) -> String {
    let at: jiff::Timestamp = message.header(header).unwrap().parse().unwrap();
    at.checked_sub(before).unwrap().to_string()
}

#[test]
fn each_option_changes_on_the_wire_what_it_changes_in_celery() {
    let noop = |text: &str| Call::new("noop").arg(text);
    let now = "2026-11-21T20:00:00Z";
    let countdown = captured("task-countdown");
    let expires = captured("task-expires-int");
    let eta = "2030-01-02T03:04:05.678+08:00".parse::<jiff::Timestamp>().unwrap();
    let calls = [
        ("task-delay", plan(sms(), now)),
        ("task-kwargs", plan(SendSmsByName { mobile: "13800138000".into(), code: "123456".into() }, now)),
        (
            "task-countdown",
            plan(sms().countdown(Duration::from_mins(1)), &made(&countdown, "eta", Duration::from_mins(1))),
        ),
        (
            "task-expires-int",
            plan(
                sms().dropped_after(Duration::from_mins(2)),
                &made(&expires, "expires", Duration::from_mins(2)),
            ),
        ),
        ("task-priority", plan(sms().priority(7), now)),
        (
            "task-time-limits",
            plan(sms().time_limit(Duration::from_secs(30)).soft_time_limit(Duration::from_secs(20)), now),
        ),
        ("task-ignore-result", plan(sms().ignore_result(true), now)),
        ("task-link", plan(sms().link(noop("ok")).link_error(noop("err")), now)),
        (
            "task-link-immutable-list",
            plan(
                sms().link(noop("a").immutable()).link(
                    Signature::new(Add(1, 2)).queue("sms").countdown(Duration::from_secs(5)).immutable(),
                ),
                now,
            ),
        ),
        ("task-sendtask", plan(Call::new("ccp_send_sms_code").arg("13800138000").arg("123456"), now)),
    ];
    for (name, plan) in &calls {
        let [outgoing] = &plan.outgoing[..] else { panic!("{name} is one message") };
        same(name, &outgoing.message, &captured(name));
    }
    let wait = |plan: &Plan| plan.outgoing[0].delay;
    assert_eq!((wait(&calls[2].1), wait(&calls[0].1)), (Duration::from_mins(1), Duration::ZERO));

    let written = plan(sms().eta(eta), now).outgoing.remove(0).message;
    assert_eq!(written.header("eta"), Some("2030-01-01T19:04:05.678000+00:00"));
}

#[test]
fn what_the_caller_sets_himself_is_written_as_celery_writes_it() {
    for name in ["task-custom-headers", "task-shadow-taskid", "task-argsrepr"] {
        let celerys = captured(name);
        let mut call = sms();
        for (header, value) in crate::celery::Request::of(&celerys).own_headers() {
            let value = match value {
                Header::Str(text) => json!(text),
                Header::I32(number) => json!(number),
                Header::Bool(value) => json!(value),
                other => panic!("a capture has {other:?}"),
            };
            call = call.header(header, value);
        }
        if let Some(shadow) = celerys.header("shadow") {
            call = call.shadow(shadow).id(celerys.header("id").unwrap());
        }
        call = call.shown_as(celerys.header("argsrepr").unwrap(), celerys.header("kwargsrepr").unwrap());

        let ours = plan(call, "2026-11-21T20:00:00Z").outgoing.remove(0);

        same(name, &ours.message, &celerys);
    }
}

#[test]
fn chains_groups_and_chords_are_written_as_celery_writes_them() {
    let now = "2026-11-21T20:00:00Z";
    let (add, tsum) = (|n: i64| Call::new("add").arg(n), || Call::new("tsum"));
    let cases = [
        ("chain", plan(chain((Add(1, 2), add(3), add(4))), now)),
        ("group", plan(group((Add(1, 2), Add(3, 4))), now)),
        ("chord", plan(chord((Add(1, 2), Add(3, 4)), tsum()), now)),
        ("chain-with-group", plan(chain((Add(1, 2), group([add(3), add(4)]), tsum())), now)),
    ];
    for (name, plan) in cases {
        let celerys: Vec<Value> = fixtures::messages(name).iter().map(numbered).collect();
        let ours: Vec<Value> = plan.outgoing.iter().map(|outgoing| numbered(&outgoing.message)).collect();
        assert_eq!(ours, celerys, "{name}");
    }
}

/// Headers and body, each id replaced by the number of its first place.
fn numbered(message: &Message) -> Value {
    let mut known = Vec::new();
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    let mut headers = message.headers.clone();
    for name in ["lang", "origin", "argsrepr", "ignore_result", VERSION_HEADER] {
        headers.remove(name);
    }
    let mut text = format!("{headers:?} {body}");
    let mut at = 0;
    while let Some(id) = text.get(at..at + 36) {
        if id.parse::<Uuid>().is_ok() {
            let id = id.to_owned();
            let number = known.iter().position(|known| *known == id).unwrap_or_else(|| {
                known.push(id.clone());
                known.len() - 1
            });
            text.replace_range(at..at + 36, &format!("#{number}"));
        }
        at += 1;
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    text.into()
}
