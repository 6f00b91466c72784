//! Workflows that stock Celery ran, step by step: `tests/fixtures/celery/canvases.json` has each message, what its task
//! came to, and what Celery published then. The same is to be published here.
//!
//! Ids that are new are told apart by where they stand first, not by their text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::super::follow::{Failure, Member, after_failure, after_success, check, chord_failed, chord_ready};
use super::super::*;
use super::{Desk, arriving};
use crate::broker::message::Value as Header;
use crate::celery::{Body, Request, fixtures};
use crate::results::ResultTree;

/// A message as it is captured, without what no two processes have in common.
fn shape(outgoing: &Outgoing) -> Value {
    let message = &outgoing.message;
    let mut headers: Map<String, Value> =
        message.headers.iter().map(|(name, value)| (name.clone(), json_of(value))).collect();
    headers.shift_remove("lang");
    headers.shift_remove("origin");
    let (exchange, key) = match &outgoing.address {
        Address::Queue(queue) => ("", queue),
        Address::Exchange { exchange, key } => (exchange.as_str(), key),
    };
    let properties = &message.properties;
    let mut kept = Map::new();
    kept.insert("correlation_id".into(), json!(properties.correlation_id));
    kept.insert("reply_to".into(), json!(properties.reply_to));
    if properties.priority != Some(0) {
        kept.insert("priority".into(), json!(properties.priority));
    }
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    comparable(json!({
        "exchange": exchange, "routing_key": key, "headers": headers, "properties": kept, "body": body,
    }))
}

/// An unset option and its default are the same, and so are a list and a tuple of arguments: Celery shows what it holds.
fn comparable(mut message: Value) -> Value {
    if message["headers"]["ignore_result"].is_null() {
        message["headers"]["ignore_result"] = false.into();
    }
    drop_unset(&mut message["body"]);
    let properties = message["properties"].as_object_mut().unwrap();
    properties.retain(|name, _| ["correlation_id", "reply_to", "priority"].contains(&name.as_str()));
    let shown = message["headers"]["argsrepr"].as_str().unwrap();
    message["headers"]["argsrepr"] = shown.trim_matches(['(', '[', ']', ')', ',']).into();
    for name in ["callbacks", "errbacks", "chain"] {
        let follows = &mut message["body"][2][name];
        if *follows == json!([]) {
            *follows = Value::Null;
        }
    }
    message
}

/// Options that say nothing.
fn drop_unset(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_unset),
        Value::Object(map) => {
            map.values_mut().for_each(drop_unset);
            if let Some(Value::Object(options)) = map.get_mut("options") {
                options.retain(|name, value| {
                    // Celery's own bookkeeping is left in a chord's body.
                    !(value.is_null() || name == "add_to_parent" || name == "chain" && *value == json!([]))
                });
            }
        }
        _ => {}
    }
}

fn json_of(header: &Header) -> Value {
    match header {
        Header::Void => Value::Null,
        Header::Bool(value) => json!(value),
        Header::I32(value) => json!(value),
        Header::I64(value) => json!(value),
        Header::F64(value) => json!(value),
        Header::Str(text) => json!(text),
        Header::Array(items) => items.iter().map(json_of).collect(),
        Header::Table(table) => {
            Value::Object(table.iter().map(|(name, value)| (name.clone(), json_of(value))).collect())
        }
        other => panic!("not written here: {other:?}"),
    }
}

/// Replaces each id by the number of its first place, in an order that does not depend on the order of keys.
fn numbered(value: &Value, known: &mut BTreeMap<String, usize>) -> Value {
    match value {
        Value::String(text) => Value::String(without_ids(text, known)),
        Value::Array(items) => items.iter().map(|item| numbered(item, known)).collect(),
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            Value::Object(
                sorted.into_iter().map(|(name, item)| (name.clone(), numbered(item, known))).collect(),
            )
        }
        other => other.clone(),
    }
}

fn without_ids(text: &str, known: &mut BTreeMap<String, usize>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) =
        rest.find("0000").filter(|at| rest.is_char_boundary(at + 36) && rest.len() >= at + 36)
    {
        let (before, from) = rest.split_at(at);
        let id = &from[..36];
        out.push_str(before);
        if id.parse::<uuid::Uuid>().is_ok() {
            let next = known.len();
            write!(out, "#{}", known.entry(id.to_owned()).or_insert(next)).unwrap();
            rest = &from[36..];
        } else {
            out.push_str(&from[..4]);
            rest = &from[4..];
        }
    }
    out + rest
}

/// Holds a plan against what was captured, `before` being what both know already.
fn assert_same(case: &str, before: &Value, plan: &Plan, captured: &Value) {
    let ours: Vec<Value> = plan.outgoing.iter().map(shape).collect();
    let theirs: Vec<Value> =
        captured["published"].as_array().unwrap().iter().cloned().map(comparable).collect();
    let sizes: Vec<Value> = plan.chords.iter().map(|(group, size)| json!([group, size])).collect();
    let headers: Vec<Value> = plan.headers.iter().map(|header| without_parents(&header.to_value())).collect();
    let saved: Vec<Value> = captured["saved"].as_array().unwrap().iter().map(without_parents).collect();
    let normal = |messages: Vec<Value>, sizes: Vec<Value>, headers: Vec<Value>| {
        let mut known = BTreeMap::new();
        numbered(before, &mut known);
        let messages: Vec<Value> = messages.iter().map(|message| numbered(message, &mut known)).collect();
        // All are told before anything is published, so that their order does not count.
        let sizes: BTreeSet<String> =
            sizes.iter().map(|size| numbered(size, &mut known).to_string()).collect();
        (messages, sizes, numbered(&headers.into(), &mut known))
    };
    let (ours, our_sizes, our_headers) = normal(ours, sizes, headers);
    let (theirs, their_sizes, their_headers) =
        normal(theirs, captured["sizes"].as_array().unwrap().clone(), saved);
    assert_eq!(ours.len(), theirs.len(), "{case}: {ours:#?}\nnot\n{theirs:#?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{case}");
    }
    assert_eq!(our_sizes, their_sizes, "{case}");
    assert_eq!(our_headers, their_headers, "{case}");
}

/// Celery keeps a chain's results with some of their parents, which nothing asks for in a chord.
fn without_parents(tree: &Value) -> Value {
    fn bare(tree: ResultTree) -> ResultTree {
        let members = tree.members.map(|members| members.into_iter().map(bare).collect());
        match members {
            Some(members) => ResultTree::group(tree.id, members),
            None => ResultTree::task(tree.id),
        }
    }
    bare(ResultTree::from_value(tree).unwrap()).to_value()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn parts(members: &[Member]) -> BTreeSet<(String, String, Option<u64>)> {
    let part =
        |member: &Member| (member.id.clone(), member.group_id.clone(), member.group_index.map(Into::into));
    members.iter().map(part).collect()
}

#[test]
fn every_captured_workflow_is_carried_on_as_celery_carries_it_on() {
    let captured = fixtures::captured("canvases").remove(0);
    let cases = captured["cases"].as_array().unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let desk = Desk::new();
        let canvas =
            Canvas::try_from(serde_json::from_value::<Call>(case["signature"].clone()).unwrap()).unwrap();
        let reply_to = case["start"]["published"][0]["properties"]["reply_to"].as_str().unwrap();
        let plan = desk.dispatcher(None, reply_to).plan(canvas);
        assert_same(&format!("{name}, start"), &json!([case["signature"], reply_to]), &plan, &case["start"]);
        for (n, run) in case["runs"].as_array().unwrap().iter().enumerate() {
            carried_on(&format!("{name}, run {n}"), run);
        }
    }
}

fn carried_on(case: &str, run: &Value) {
    let desk = Desk::new();
    let message = arriving(&run["message"]);
    let request = Request::of(&message);
    let body = Body::read(&message).unwrap();
    let parent = Parent { id: request.id(), root: request.root_id() };
    let dispatcher = desk.dispatcher(Some(parent), request.reply_to().unwrap());
    assert_eq!(check(&body.embed), Ok(()), "{case}");
    let failure = match run["state"].as_str().unwrap() {
        "SUCCESS" => Failure {
            plan: after_success(&dispatcher, &body.embed, &run["value"]).unwrap(),
            members: Member::of(request, &body.embed).into_iter().collect(),
            ..Failure::default()
        },
        "REPLACED" => {
            let call: Call = serde_json::from_value(body.arguments.args[0].clone()).unwrap();
            let plan = replace(&dispatcher, request, &body.embed, Canvas::try_from(call).unwrap()).unwrap();
            Failure { plan, ..Failure::default() }
        }
        _ => after_failure(&dispatcher, request, &body.embed).unwrap(),
    };
    assert_same(case, &run["message"], &failure.plan, run);
    if run["state"] == "SUCCESS" {
        let count =
            |children: &[Value]| children.iter().map(|child| child[1].as_array().map(Vec::len)).collect();
        let ours: Vec<Value> = failure.plan.children.iter().map(ResultTree::to_value).collect();
        let (ours, theirs): (Vec<_>, Vec<_>) = (count(&ours), count(run["children"].as_array().unwrap()));
        assert_eq!(ours, theirs, "{case}");
    }
    let expected = run["parts"].as_array().unwrap().iter().map(|part| {
        let text = |name: &str| part[name].as_str().unwrap().to_owned();
        (text("id"), text("group"), part["index"].as_u64())
    });
    assert_eq!(parts(&failure.members), expected.collect(), "{case}");
    assert_eq!(failure.failed.into_iter().collect::<BTreeSet<_>>(), texts(&run["failed"]), "{case}");

    for join in run["joins"].as_array().unwrap() {
        let chord: Call = serde_json::from_value(join["chord"].clone()).unwrap();
        let before = json!([run["message"], join["chord"]]);
        if let Some(values) = join["values"].as_array() {
            let plan = chord_ready(&dispatcher, &chord, values.clone()).unwrap();
            assert_same(&format!("{case}, join"), &before, &plan, join);
        } else {
            let failed = chord_failed(&dispatcher, &chord).unwrap();
            assert_same(&format!("{case}, failed join"), &before, &failed.plan, join);
            let ids: BTreeSet<String> = failed.failed.into_iter().collect();
            assert!(ids.is_superset(&texts(&join["failed"])), "{case}");
        }
    }
}
