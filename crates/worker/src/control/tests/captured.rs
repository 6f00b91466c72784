//! Every captured request, fed to a worker through its mailbox, is answered in the shape of the captured reply.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::desk::{NODE, desk};
use crate::tracker::tests::{arrived, call};

/// The task that a captured request terminates.
const TERMINATED: &str = "f6eb37da-1a20-467e-80f1-12c1699daad9";
/// A task that a captured request asks for.
const LATER: &str = "11615def-3459-421f-b439-910f76382871";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/celery")
}

/// What was captured under that name.
pub(super) fn capture(name: &str) -> Value {
    // Python writes a number that JSON does not have.
    let text = std::fs::read_to_string(folder().join(name)).unwrap().replace(": Infinity", ": null");
    serde_json::from_str(&text).unwrap()
}

/// Whether two values have the same keys and types all the way down. Maps whose keys are names or ids, and lists, are
/// compared by what their first members look like.
pub(super) fn alike(path: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) if by_name(path) => {
            if let (Some(ours), Some(theirs)) = (ours.values().next(), theirs.values().next()) {
                alike(&format!("{path}.*"), ours, theirs);
            }
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            // A set of settings has no fixed keys.
            if path == "conf" {
                return;
            }
            let keys = |map: &Map<String, Value>| {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.sort_unstable();
                keys
            };
            assert_eq!(keys(ours), keys(theirs), "{path}");
            for (key, theirs) in theirs {
                alike(&format!("{path}.{key}"), &ours[key], theirs);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let (Some(ours), Some(theirs)) = (ours.first(), theirs.first()) {
                alike(&format!("{path}[0]"), ours, theirs);
            }
        }
        (Value::Number(ours), Value::Number(theirs)) => {
            assert_eq!(ours.is_f64(), theirs.is_f64(), "{path}: {ours} {theirs}");
        }
        (Value::String(ours), Value::String(theirs))
            if matches!(path.rsplit_once('.'), Some((_, "ok" | "error"))) =>
        {
            if path != "report.ok" {
                assert_eq!(ours, theirs, "{path}");
            }
        }
        (ours, theirs) => {
            assert_eq!(
                std::mem::discriminant(ours),
                std::mem::discriminant(theirs),
                "{path}: {ours} {theirs}"
            );
        }
    }
}

fn by_name(path: &str) -> bool {
    path == "stats.total" || path == "query_task"
}

#[tokio::test]
async fn each_captured_request_is_answered_in_the_shape_of_its_reply() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("pidbox-"))
        .collect();
    names.sort_unstable();
    assert!(names.len() > 50, "{names:?}");

    for name in names {
        let capture = capture(&name);
        let body = &capture["request"]["body_json"];
        let theirs = &capture["replies"][0]["body_json"][NODE];
        let desk = desk(name.contains("autoscale"));
        let (running, waiting, later) =
            (call(TERMINATED), call("ed2653bf-1337-433a-be59-5c721c220b5d"), call(LATER));
        let entry = desk.observer.received(&arrived(&running));
        entry.started();
        if !name.contains("empty") && name != "pidbox-revoke-terminate-unknown.json" {
            desk.observer.postponed(&arrived(&later), Timestamp::from_second(1_795_300_000).unwrap());
        }
        let _reserved = desk.observer.received(&arrived(&waiting));
        if name.contains("events-again") && name.contains("enable_events-again") {
            desk.observer.events.switch(!name.contains("disable"));
        } else if name == "pidbox-disable_events.json" {
            desk.observer.events.switch(true);
        }

        let ours = desk.ask(body).await;

        match (ours, capture["replies"].as_array().unwrap().is_empty()) {
            (None, true) => {}
            (Some(ours), false) if name == "pidbox-objgraph.json" || name == "pidbox-memdump.json" => {
                assert_eq!(ours.is_object(), theirs.is_object(), "{name}");
            }
            (Some(ours), false) => alike(body["method"].as_str().unwrap(), &ours, theirs),
            (ours, none) => panic!("{name}: {ours:?}, none expected: {none}"),
        }
    }
}
