//! Every captured request, fed to a worker through its mailbox, is answered in the shape of the captured reply.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use postrider_core::broker::{Broker, Inquiry, MemoryBroker, Namespace, Replies};
use postrider_core::celery::control::{Reply, Request};
use postrider_core::clock::{Clock, ManualClock};
use postrider_core::shutdown::Shutdown;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::cards::{Bounds, BrokerCard, PoolCard, QueueCard, TaskCard};
use super::controls::{Controls, NewConsumer, Refused};
use super::{Control, ControlOptions, prepare};
use crate::observer::Observer;
use crate::rate_limit::Rate;
use crate::tracker::tests::{arrived, call};
use crate::tracker::{Arrived, Tracked};

const NODE: &str = "worker1@host";

/// A worker of plain data.
#[derive(Default)]
struct Plain {
    solo: bool,
    /// What storing waits for, if it does.
    stored: Option<Arc<Notify>>,
    autoscaled: bool,
    done: Mutex<Vec<String>>,
}

impl Plain {
    fn did(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }
}

#[async_trait]
impl Controls for Plain {
    fn tasks(&self) -> Vec<TaskCard> {
        let card = |name: &str| TaskCard { name: name.into(), options: vec![("max_retries", "3".into())] };
        vec![card("add"), card("slow")]
    }

    fn queues(&self) -> Vec<QueueCard> {
        vec![QueueCard {
            name: "celery".into(),
            exchange: "celery".into(),
            exchange_type: "direct".into(),
            routing_key: "celery".into(),
            arguments: Map::new(),
        }]
    }

    fn waiting(&self) -> Vec<Tracked> {
        vec![Tracked::new(&arrived(&call("waiting")))]
    }

    fn pool(&self) -> PoolCard {
        let bounds = Bounds { max: 4, min: 1, current: 1, wanted: 0 };
        PoolCard {
            implementation: "postrider:async".into(),
            places: 2,
            timeouts: [0, 0],
            autoscaler: self.autoscaled.then_some(bounds),
        }
    }

    fn prefetch(&self) -> u32 {
        8
    }

    fn broker(&self) -> Option<BrokerCard> {
        Some(BrokerCard {
            host: "127.0.0.1".into(),
            port: 5672,
            user: "guest".into(),
            vhost: "wire".into(),
            tls: false,
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(4),
        })
    }

    fn settings(&self) -> Map<String, Value> {
        let settings = json!({
            "result_backend": "redis://127.0.0.1:6379/5", "result_expires": 86400, "task_send_sent_event": false,
            "broker_connection_retry_on_startup": true, "worker_disable_prefetch": false,
        });
        settings.as_object().unwrap().clone()
    }

    fn grow(&self, places: usize) -> Result<(), Refused> {
        match (self.solo, self.autoscaled) {
            (true, _) => return Err(Refused::Solo),
            (_, true) => return Err(Refused::Autoscaled),
            _ => {}
        }
        self.did(format!("grow {places}"));
        Ok(())
    }

    fn shrink(&self, places: usize) -> Result<(), Refused> {
        match (self.autoscaled, places) {
            (true, _) => Err(Refused::Autoscaled),
            (false, 1) => Ok(()),
            (false, _) => Err(Refused::Busy),
        }
    }

    fn autoscale(&self, max: Option<usize>, min: Option<usize>) -> Result<(usize, usize), Refused> {
        if self.autoscaled { Ok((max.unwrap_or(4), min.unwrap_or(1))) } else { Err(Refused::NotAutoscaled) }
    }

    fn limit_rate(&self, task: &str, _rate: Option<Rate>, text: &str) {
        self.did(format!("rate {task} {text}"));
    }

    fn limit_time(&self, task: &str, soft: Option<Duration>, hard: Option<Duration>) {
        self.did(format!("time {task} {soft:?} {hard:?}"));
    }

    fn add_consumer(&self, consumer: NewConsumer) {
        let NewConsumer { queue, kind, max_priority, .. } = consumer;
        self.did(format!("add {queue} {kind:?} {max_priority:?}"));
    }

    fn cancel_consumer(&self, queue: &str) {
        self.did(format!("cancel {queue}"));
    }

    fn shut_down(&self) {
        self.did("stop".into());
    }

    async fn store_revoked(&self, ids: &[String]) {
        if let Some(stored) = &self.stored {
            stored.notified().await;
        }
        self.did(format!("revoked {}", ids.join(",")));
    }
}

struct Desk {
    broker: Broker,
    memory: MemoryBroker,
    controls: Arc<Plain>,
    observer: Observer,
    shutdown: Shutdown,
    control: Control,
    clock: ManualClock,
}

fn desk(autoscaled: bool) -> Desk {
    desk_of(Plain { autoscaled, ..Plain::default() })
}

fn desk_of(controls: Plain) -> Desk {
    let clock = ManualClock::new(Timestamp::from_second(1_795_294_600).unwrap());
    let shutdown = Shutdown::new();
    let memory = MemoryBroker::new(&shutdown);
    let broker = Broker::Memory(memory.clone());
    let options = ControlOptions { mingle: false, ..ControlOptions::default() };
    let (observer, prepared) =
        prepare(NODE, &options, &["add", "slow"], &Clock::Manual(clock.clone())).unwrap();
    let controls = Arc::new(controls);
    let control = prepared.attend(&broker, Arc::<Plain>::clone(&controls), &shutdown);
    Desk { broker, memory, controls, observer, shutdown, control, clock }
}

impl Desk {
    /// Sends a request as captured, and returns the answer.
    async fn ask(&self, body: &Value) -> Option<Value> {
        let request: Request = serde_json::from_value(body.clone()).unwrap();
        let key = request.reply_to.as_ref().unwrap().routing_key.clone();
        let replies = Replies { key, patience: Duration::from_millis(200), limit: Some(1) };
        let inquiry = Inquiry {
            namespace: Namespace::default(),
            request: request.message(1, 0.0),
            replies: Some(replies),
        };
        let replies = self.broker.ask(inquiry).await.unwrap();
        let mut read = replies
            .iter()
            .flat_map(|message| Reply::read(message, request.ticket.as_deref().unwrap()).unwrap());
        let reply = read.next()?;
        assert_eq!(reply.node, NODE);
        Some(reply.value)
    }

    async fn call(&self, method: &str, arguments: Value) -> Value {
        let reply_to = json!({"exchange": "reply.celery.pidbox", "routing_key": "k"});
        let body = json!({"method": method, "arguments": arguments, "ticket": "t", "reply_to": reply_to});
        self.ask(&body).await.unwrap()
    }

    async fn close(self) {
        self.control.close();
        assert!(self.shutdown.drained(Duration::from_secs(5)).await);
    }
}

fn capture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/celery").join(name);
    // Python writes a number that JSON does not have.
    let text = std::fs::read_to_string(path).unwrap().replace(": Infinity", ": null");
    serde_json::from_str(&text).unwrap()
}

/// Whether two values have the same keys and types all the way down. Maps whose keys are names or ids, and lists, are
/// compared by what their first members look like.
fn alike(path: &str, ours: &Value, theirs: &Value) {
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/celery");
    let mut names: Vec<String> = std::fs::read_dir(folder)
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

/// The task that a captured request terminates.
const TERMINATED: &str = "f6eb37da-1a20-467e-80f1-12c1699daad9";
/// A task that a captured request asks for.
const LATER: &str = "11615def-3459-421f-b439-910f76382871";

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
