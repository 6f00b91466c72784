//! Remote control and events through a mailbox in memory.

mod captured;
mod desk;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use postrider_core::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::captured::{alike, capture};
use self::desk::{Plain, desk, desk_of};
use super::{ControlOptions, prepare};
use crate::tracker::Arrived;
use crate::tracker::tests::{arrived, call};

#[tokio::test]
async fn a_revoked_task_is_marked_unless_it_runs_and_is_stopped_if_it_is_to_be() {
    let desk = desk(false);
    let running = call("running");
    let entry = desk.observer.received(&arrived(&running));
    entry.started();

    let flagged = desk.call("revoke", json!({"task_id": ["running", "other"]})).await;
    let unknown = desk.call("revoke", json!({"task_id": "nobody", "terminate": true})).await;
    let terminated =
        desk.call("revoke", json!({"task_id": "running", "terminate": true, "signal": "KILL"})).await;
    let wrong = desk.call("terminate", json!({"task_id": "running", "signal": "SIGNONE"})).await;

    assert_eq!(flagged, json!({"ok": "tasks {'running', 'other'} flagged as revoked"}));
    assert_eq!(unknown, json!({"ok": "terminate: tasks unknown"}));
    assert_eq!(terminated, json!({"ok": "terminate: running"}));
    assert_eq!(wrong, json!({"error": "AttributeError(\"module 'signal' has no attribute 'SIGNONE'\")"}));
    assert_eq!(entry.terminated().await, 9);
    assert_eq!(*desk.controls.done.lock().unwrap(), ["revoked other", "revoked nobody", "revoked "]);
    drop(entry);
    desk.close().await;
}

#[tokio::test]
async fn a_revoke_holds_for_a_task_whose_time_comes_in_hours() {
    let desk = desk(false);
    desk.call("revoke", json!({"task_id": "in four hours"})).await;

    desk.clock.advance(Duration::from_hours(4));
    desk.call("revoke", json!({"task_id": "other"})).await;

    assert_eq!(desk.call("revoked", json!({})).await, json!(["in four hours", "other"]));
    let call = call("in four hours");
    assert!(desk.observer.revokes(&arrived(&call)));
    desk.close().await;
}

#[tokio::test]
async fn a_task_is_stopped_before_a_slow_store_is_told() {
    let stored = Arc::new(Notify::new());
    let desk = desk_of(Plain { stored: Some(Arc::clone(&stored)), ..Plain::default() });
    let running = call("running");
    let entry = desk.observer.received(&arrived(&running));
    entry.started();

    let (signal, answer) = tokio::join!(
        async {
            let signal = entry.terminated().await;
            stored.notify_one();
            signal
        },
        desk.call("terminate", json!({"task_id": ["running", "other"], "signal": "TERM"})),
    );

    assert_eq!((signal, answer), (15, json!({"ok": "terminate: running"})));
    drop(entry);
    desk.close().await;
}

#[tokio::test]
async fn a_pool_of_one_place_is_not_resized() {
    let desk = desk_of(Plain { solo: true, ..Plain::default() });

    let grown = desk.call("pool_grow", json!({"n": 3})).await;

    assert_eq!(grown, json!({"error": "AttributeError(\"'TaskPool' object has no attribute 'grow'\")"}));
    desk.close().await;
}

#[tokio::test]
async fn a_task_that_waits_for_its_time_is_received_at_once_and_once() {
    let desk = desk(false);
    desk.call("enable_events", json!({})).await;
    let (call, again) = (call("i1"), call("i2"));
    let eta = Timestamp::from_second(1_795_300_000).unwrap();

    let announced = desk.observer.postponed(&arrived(&call), eta);
    let handed_out_before = Arrived { redelivered: true, ..arrived(&again) };
    let unknown = desk.observer.postponed(&handed_out_before, eta);
    let still = desk.observer.postponed(&Arrived { announced, ..arrived(&call) }, eta);
    drop(desk.observer.received(&Arrived { announced: still, ..arrived(&call) }));
    drop(desk.observer.received(&Arrived { announced: unknown, ..arrived(&again) }));

    assert_eq!((announced, unknown, still), (true, false, true));
    let memory = desk.memory.clone();
    desk.close().await;
    let said = memory.take_events();
    let batch: Vec<Value> = serde_json::from_slice(&said[1].1.body).unwrap();
    let received: Vec<&str> = batch.iter().map(|event| event["uuid"].as_str().unwrap()).collect();
    assert_eq!(received, ["i1", "i2"]);
}

#[tokio::test]
async fn what_a_command_changes_reaches_the_rest_of_the_worker() {
    let desk = desk(false);

    let answers = [
        desk.call("pool_grow", json!({"n": 3})).await,
        desk.call("pool_shrink", json!({"n": 5})).await,
        desk.call("autoscale", json!({"max": 2})).await,
        desk.call("rate_limit", json!({"task_name": "add", "rate_limit": 0})).await,
        desk.call("time_limit", json!({"task_name": "add", "hard": 2.5, "soft": null})).await,
        desk.call("cancel_consumer", json!({"queue": "q"})).await,
        desk.call("rate_limit", json!({"task_name": "add", "rate_limit": "1/d"})).await,
    ];

    assert_eq!(
        answers,
        [
            json!({"ok": "pool will grow"}),
            json!({"error": "ValueError(\"Can't shrink pool. All processes busy!\")"}),
            json!({"error": "ValueError('Autoscale not enabled')"}),
            json!({"ok": "rate limit disabled successfully"}),
            json!({"ok": "time limits set successfully"}),
            json!({"ok": "no longer consuming from q"}),
            json!({"error": "KeyError('d')"}),
        ]
    );
    let done = desk.controls.done.lock().unwrap().clone();
    assert_eq!(done, ["grow 3", "rate add 0", "time add None Some(2.5s)", "cancel q"]);
    desk.close().await;
}

#[tokio::test]
async fn a_queue_gets_the_exchange_that_is_asked_for_or_none() {
    let desk = desk(false);
    let add = async |exchange_type: Value| {
        desk.call("add_consumer", json!({"queue": "q", "exchange_type": exchange_type})).await
    };

    // "direct" is what Celery's clients say where nobody asked for an exchange.
    let taken = [add(Value::Null).await, add("direct".into()).await, add("fanout".into()).await];
    let refused = [add("x-delayed-message".into()).await, add(json!(["topic"])).await];

    assert_eq!(taken, [(); 3].map(|()| json!({"ok": "add consumer q"})));
    for answer in refused {
        let said = answer["error"].as_str().unwrap();
        assert!(said.contains("direct, topic, fanout or headers"), "{said}");
    }
    let done = desk.controls.done.lock().unwrap().clone();
    assert_eq!(
        done,
        ["add q None Classic None", "add q None Classic None", "add q Some(Fanout) Classic None"]
    );
    desk.close().await;
}

#[tokio::test]
async fn what_waits_for_its_place_is_reserved() {
    let desk = desk(false);

    let reserved = desk.call("reserved", json!({})).await;
    let found = desk.call("query_task", json!({"ids": "waiting"})).await;

    assert_eq!((reserved.as_array().unwrap().len(), &reserved[0]["id"]), (1, &json!("waiting")));
    assert_eq!(found["waiting"][0], "reserved");
    let stopped = desk.call("terminate", json!({"task_id": "waiting", "signal": "TERM"})).await;
    assert_eq!(stopped, json!({"ok": "terminate: waiting"}));
    desk.close().await;
}

#[tokio::test]
async fn the_worker_says_that_it_is_here_what_its_tasks_do_and_that_it_goes() {
    let desk = desk(false);
    desk.call("ping", json!({})).await;
    desk.call("enable_events", json!({})).await;
    let call = call("i1");
    let entry = desk.observer.received(&arrived(&call));
    entry.started();
    entry.succeeded(&json!(3), Duration::from_millis(5));
    drop(entry);

    let memory = desk.memory.clone();
    desk.close().await;

    let said = memory.take_events();
    let keys: Vec<&str> = said.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["worker.online", "task.multi", "worker.offline"]);
    let batch: Vec<Value> = serde_json::from_slice(&said[1].1.body).unwrap();
    let kinds: Vec<&str> = batch.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["task-received", "task-started", "task-succeeded"]);
    let clocks: Vec<u64> = batch.iter().map(|event| event["clock"].as_u64().unwrap()).collect();
    assert!(clocks.is_sorted());
    let online: Value = serde_json::from_slice(&said[0].1.body).unwrap();
    let body = capture("event-worker-online.json")["body"].as_str().unwrap().to_owned();
    alike("worker-online", &online, &serde_json::from_str(&body).unwrap());
    let offline: Value = serde_json::from_slice(&said[2].1.body).unwrap();
    assert_eq!(offline["processed"], 1);
}

#[tokio::test]
async fn a_worker_takes_over_what_the_others_have_revoked_and_tells_them_what_it_has() {
    let ours = desk(false);
    ours.observer.revoked.add(["ours".to_owned()]);
    let options = ControlOptions::default();
    let clock = Clock::Manual(ours.clock.clone());

    let (observer, prepared) = prepare("other@host", &options, &["add"], &clock).unwrap();
    observer.revoked.add(["theirs".to_owned()]);
    let other = prepared.attend(&ours.broker, Arc::new(Plain::default()), &ours.shutdown);

    let waiting = async {
        while !(observer.revoked.ids().len() == 2 && ours.observer.revoked.ids().len() == 2) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("both know both");
    other.close();
    ours.close().await;
}
