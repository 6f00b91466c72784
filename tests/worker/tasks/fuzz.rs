//! Thousands of broken messages of every kind that Celery writes. Each ends somewhere, and the worker works on.

use std::collections::BTreeSet;

use postrider_core::{
    broker::{
        message::{Message, Properties, Table, Value as Header},
        topology::DEAD,
    },
    canvas::DEFAULT_QUEUE,
    routes::Route,
};
use postrider_tests::{celery::captured, servers::eventually};
use postrider_worker::Options;
use serde_json::{Value, json};

use super::{Rig, SOON, sample::Add};

const MESSAGES: usize = 4000;
/// Another seed is another set of messages.
const SEED: u64 = 0x5eed;

const CAPTURES: [&str; 11] = [
    "chain",
    "chain-with-group",
    "chord",
    "group",
    "task-link",
    "task-link-immutable-list",
    "task-types",
    "task-stamped",
    "task-time-limits",
    "task-ignore-result",
    "protocol-1",
];

#[tokio::test]
async fn whatever_is_broken_in_a_message_it_ends_and_the_worker_works_on() {
    let here = |options| Options { routes: vec![Route::to_queue("*", "t")], ..options };
    let rig = Rig::with(here);
    let captures: Vec<Value> = CAPTURES.iter().flat_map(|name| messages(name)).collect();
    let mut dice = Dice(SEED);
    let (mut ids, mut nameless, mut dead) = (Vec::new(), 0, Vec::new());

    for n in 0..MESSAGES {
        let whole = fresh(&captures[n % captures.len()], n);
        let group = whole["headers"]["group"].as_str().unwrap_or_default();
        rig.results().set_chord_size(group, 1).await.unwrap();
        let message = broken(&whole, &mut dice);
        // A result under another id or none at all cannot be looked for.
        match message.header("id").filter(|id| *id == format!("id-{n}")) {
            Some(id) if message.headers.get("ignore_result") != Some(&Header::Bool(true)) => {
                ids.push(id.to_owned());
            }
            _ => nameless += 1,
        }
        rig.publish(&message).await;
    }

    let drained = eventually(SOON, async || {
        dead.extend(std::iter::from_fn(|| rig.take_dead_letter()));
        rig.memory.is_drained(&[DEAD, DEFAULT_QUEUE])
    });
    assert!(drained.await, "seed {SEED}: messages are left");
    dead.extend(std::iter::from_fn(|| rig.take_dead_letter()));
    let kept: BTreeSet<&str> = dead.iter().map(|letter| letter.id.as_str()).collect();
    for id in &ids {
        assert!(
            kept.contains(&**id) || rig.result(id).ready().await.unwrap(),
            "seed {SEED}: {id} has vanished"
        );
    }
    assert!(dead.iter().all(|letter| !letter.reason.is_empty() && letter.reason != "panic"), "seed {SEED}");
    assert!(
        ids.len() > MESSAGES / 2 && nameless > 0 && kept.len() > MESSAGES / 10,
        "{} {nameless}",
        ids.len()
    );
    let sum: i64 = rig.call(Add { x: 1, y: 2 }).await.get(SOON).await.unwrap();
    assert_eq!(sum, 3);
    while rig.memory.take(DEFAULT_QUEUE).is_some() {}
    assert!(rig.stop().await);
}

/// The captured messages of that name.
fn messages(name: &str) -> Vec<Value> {
    let messages = match name {
        "protocol-1" => {
            let odd = captured("odd-messages");
            odd.as_array().into_iter().flatten().filter(|odd| odd["case"] == "protocol1").cloned().collect()
        }
        name => match captured(name) {
            Value::Array(messages) => messages,
            message => vec![message],
        },
    };
    assert!(!messages.is_empty(), "{name}");
    messages
}

/// The message with ids of its own, and with tasks that the worker has.
fn fresh(captured: &Value, n: usize) -> Value {
    let mut text = captured.to_string().replace("m.add", "add").replace("tsum", "sum");
    let ids = [(captured["headers"]["id"].as_str(), "id"), (captured["headers"]["group"].as_str(), "group")];
    for (id, kind) in ids {
        if let Some(id) = id {
            text = text.replace(id, &format!("{kind}-{n}"));
        }
    }
    serde_json::from_str(&text).expect("ids are plain text")
}

/// The message with one thing broken: a value or a byte of its body, a header, or what says how to read it.
fn broken(whole: &Value, dice: &mut Dice) -> Message {
    let mut headers: Table = whole["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), header(value)))
        .collect();
    let mut body = whole["body"].as_str().expect("a text").as_bytes().to_vec();
    let mut content_type = "application/json";
    match dice.below(8) {
        0..4 => {
            let mut value: Value = serde_json::from_slice(&body).expect("the captures are JSON");
            graft(&mut value, dice);
            body = serde_json::to_vec(&value).expect("values are JSON");
        }
        4 => {
            let at = dice.below(body.len());
            body[at] ^= 1 << dice.below(8);
        }
        5 => body.truncate(dice.below(body.len())),
        6 if headers.is_empty() => content_type = "application/x-msgpack",
        6 => {
            let names: Vec<String> = headers.keys().cloned().collect();
            headers.insert(names[dice.below(names.len())].clone(), header(&junk(dice)));
        }
        _ => content_type = ["application/x-msgpack", "application/x-python-serialize", ""][dice.below(3)],
    }
    let properties = Properties {
        content_type: Some(content_type.into()),
        content_encoding: Some("utf-8".into()),
        correlation_id: whole["properties"]["correlation_id"].as_str().map(str::to_owned),
        ..Properties::default()
    };
    Message { properties, headers, body: body.into() }
}

/// Puts junk in the place of some value in the value.
fn graft(value: &mut Value, dice: &mut Dice) {
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    let count = inner.len();
    match inner.into_iter().nth(dice.below(count + 1)) {
        Some(inner) if dice.below(8) > 0 => graft(inner, dice),
        Some(inner) => *inner = junk(dice),
        None => *value = junk(dice),
    }
}

fn junk(dice: &mut Dice) -> Value {
    let far = json!({"__type__": "datetime", "__value__": "2030-01-01T00:00:00+9223372036854775807"});
    let group = json!({"task": "celery.group", "subtask_type": "group", "kwargs": {"tasks": [1]}});
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(i64::MAX),
        json!(1e300),
        json!("x"),
        json!("é".repeat(5000)),
        json!([]),
        json!([null, "x", {}]),
        json!({}),
        json!([[[[[[[[[[[[1]]]]]]]]]]]]),
        json!({"task": "add", "args": [far.clone(), 1], "options": {"countdown": -1, "chord": 1}}),
        json!([{"task": "add", "args": [1], "subtask_type": "chain"}, {"task": "noop", "args": [far.clone()]}]),
        group,
        far,
    ];
    values[dice.below(values.len())].clone()
}

fn header(value: &Value) -> Header {
    match value {
        Value::Null => Header::Void,
        Value::Bool(value) => Header::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => i32::try_from(whole).map_or(Header::I64(whole), Header::I32),
            (None, number) => Header::F64(number.unwrap_or_default()),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => Header::Array(values.iter().map(header).collect()),
        Value::Object(fields) => {
            Header::Table(fields.iter().map(|(name, value)| (name.clone(), header(value))).collect())
        }
    }
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
