//! The captures of `tests/fixtures/celery`, held against what is written and read here.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};

use super::{Extended, Meta, ResultOptions, ResultTree, RpcResults, State};
use crate::broker::message::Properties;
use crate::broker::{Broker, MemoryBroker};
use crate::celery::Exception;
use crate::celery::fixtures::{captured, message};
use crate::redis::Redis;
use crate::shutdown::Shutdown;

const PLAIN: [&str; 17] = [
    "chain",
    "chord",
    "errlinked",
    "expired",
    "failure",
    "failure-custom",
    "flaky",
    "hardlimit",
    "killed",
    "linked",
    "reject",
    "replaced",
    "retry-pending",
    "scheduled",
    "slow",
    "success",
    "unregistered",
];

const RPC: [&str; 11] = [
    "expired-revoked",
    "failure-failure",
    "failure-started",
    "retry-retry",
    "retry-started",
    "started-started",
    "started-success",
    "success-started",
    "success-success",
    "term-revoked",
    "term-started",
];

/// The stored values of a capture, in order.
fn stored(name: &str) -> Vec<String> {
    let captured = captured(&format!("redis-result-{name}"));
    let commands = match captured[0].get("commands") {
        Some(Value::Array(commands)) => commands.clone(),
        _ => captured,
    };
    let stored = commands.iter().filter(|command| command["cmd"] == "SETEX");
    stored.map(|command| command["value"].as_str().unwrap().to_owned()).collect()
}

fn last(name: &str) -> Meta {
    Meta::read(stored(name).last().unwrap().as_bytes()).unwrap()
}

/// The keys of an object in the order in which they stand.
fn keys(text: &str) -> Vec<String> {
    struct Keys;
    impl<'de> Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Keys).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_captured_result_is_written_as_it_was_read() {
    let mut count = 0;
    for name in PLAIN.into_iter().chain(["softlimit", "extended-and-started"]) {
        for value in stored(name) {
            let written = Meta::read(value.as_bytes()).unwrap().write();

            assert_eq!(parsed(&written), parsed(&value), "{name}");
            assert_eq!(keys(&written), keys(&value), "{name}");
            count += 1;
        }
    }
    assert!(count > PLAIN.len() + 2);
}

#[test]
fn what_a_worker_makes_is_what_celery_stores() {
    let at = |name: &str| last(name).date_done.unwrap_or(Timestamp::UNIX_EPOCH);
    let traced =
        |name: &str, exception: Exception| Exception { traceback: last(name).traceback, ..exception };
    let failure =
        |name: &str, exception: Exception| Meta::failure(last(name).id, &traced(name, exception), at(name));
    let revoked = |name: &str, reason: &str| Meta::revoked(last(name).id, reason, at(name));
    let text = |text: &str| Value::String(text.to_owned());
    let sent = json!({"mobile": "13800138000", "sent": true});
    let own = |name: &str| last(name).id;
    let cases = [
        ("success", Meta::success(own("success"), sent, at("success"))),
        ("linked", {
            let link = ResultTree::task("17625530-0812-404b-be0f-ee3b57cdf6f6");
            Meta::success(own("linked"), json!(3), at("linked")).with_children(vec![link])
        }),
        (
            "failure",
            failure(
                "failure",
                Exception::new("ValueError", "builtins", vec![text("bad code"), text("123456")]),
            ),
        ),
        (
            "failure-custom",
            failure("failure-custom", Exception::new("SmsError", "app", vec![text("gateway down")])),
        ),
        ("hardlimit", failure("hardlimit", Exception::time_limit_exceeded(Duration::from_secs(2)))),
        ("softlimit", failure("softlimit", Exception::soft_time_limit_exceeded())),
        ("unregistered", failure("unregistered", Exception::not_registered("no.such.task"))),
        ("reject", failure("reject", Exception::reject("no reason", false))),
        (
            "killed",
            failure(
                "killed",
                Exception::worker_lost("Worker exited prematurely: signal 9 (SIGKILL) Job: 17."),
            ),
        ),
        ("expired", revoked("expired", "expired")),
        ("slow", revoked("slow", "terminated")),
        ("scheduled", Meta { children: None, ..revoked("scheduled", "revoked") }),
        ("chain", {
            let parent_id = Some("561e3d7f-ff79-4d42-b2ad-cfe3b133df00".to_owned());
            Meta { parent_id, ..Meta::success(own("chain"), json!(6), at("chain")) }
        }),
    ];
    for (name, made) in cases {
        assert_eq!(made, last(name), "{name}");
    }
}

#[test]
fn a_start_and_a_retry_are_told_with_the_call_where_it_is_asked_for() {
    let all = stored("extended-and-started");
    let call = |name: &str| Extended {
        name: name.into(),
        args: json!(["13800138000", "123456"]),
        kwargs: json!({}),
        worker: "worker1@host".into(),
        retries: 0,
        queue: "celery".into(),
        ..Extended::default()
    };
    let started = Meta::read(all[0].as_bytes()).unwrap();
    assert_eq!(
        Meta::started(&*started.id, 22713, "worker1@host").with_extended(Some(call("ccp_send_sms_code"))),
        started
    );

    let retry = Meta::read(all[3].as_bytes()).unwrap();
    let exception =
        Exception { traceback: retry.traceback.clone(), ..Exception::builtin("ValueError", "temporary") };
    let made = Meta::retry(&*retry.id, Some(&exception))
        .with_children(vec![ResultTree::task(&*retry.id)])
        .with_extended(Some(call("flaky_now")));
    assert_eq!(made, retry);
    assert_eq!(retry.exception(), Some(exception));
    assert_eq!(Meta::retry("a", None).result, Value::Null);
}

#[test]
fn stamps_stand_among_the_fields() {
    let stamps = json!({"tenant": "t1"}).as_object().unwrap().clone();
    let extended = Extended { stamps, ..Extended::default() };

    let written = parsed(&Meta::started("a", 1, "w").with_extended(Some(extended)).write());

    assert_eq!((&written["stamped_headers"], &written["tenant"]), (&json!(["tenant"]), &json!("t1")));
}

#[tokio::test]
async fn an_answer_is_the_message_that_celery_sends() {
    let shutdown = Shutdown::new();
    let memory = MemoryBroker::new(&shutdown);
    let rpc = RpcResults::new(Broker::Memory(memory.clone()), ResultOptions::default());
    for name in RPC {
        let captured = &captured(&format!("rpc-result-{name}"))[0];
        let (queue, expected) = (captured["routing_keys"][0].as_str().unwrap(), message(captured));
        memory.declare(queue, None);
        let asked = Properties {
            reply_to: Some(queue.to_owned()),
            correlation_id: expected.properties.correlation_id.clone(),
            ..Properties::default()
        };

        rpc.store(&Meta::read(&expected.body).unwrap(), &asked).await.unwrap();

        let sent = memory.take(queue).unwrap();
        assert_eq!((&sent.properties, &sent.headers), (&expected.properties, &expected.headers), "{name}");
        let [sent, expected] = [&sent.body, &expected.body].map(|body| std::str::from_utf8(body).unwrap());
        assert_eq!((parsed(sent), keys(sent)), (parsed(expected), keys(expected)), "{name}");
    }
}

#[test]
fn a_chords_keys_and_members_are_celerys() {
    let commands = captured("redis-chord-commands");
    let group = "e9d377bc-5dd6-42b9-a413-20147eee85ae";

    let keys: Vec<Value> =
        [".j", ".t", ".s", ".d", "", ".c"].map(|suffix| Redis::group_key(group, suffix).into()).into();

    assert_eq!(commands[0].as_array().unwrap()[3..9], keys);
    let member = super::ChordPart {
        group_id: group.into(),
        group_index: Some(0),
        task_id: "f49c70d8-45ff-4793-8079-8d16cdf8e637".into(),
        state: State::Success,
        result: json!(3),
    };
    assert_eq!(parsed(&member.member()), parsed(commands[0][10].as_str().unwrap()));
    assert_eq!((member.task_id.as_str(), member.place().as_str()), (commands[0][9].as_str().unwrap(), "0"));
    assert_eq!(Redis::result_key("a"), "celery-task-meta-a");
}
