//! What is said about tasks and the worker, for whoever listens on `celeryev`: `celery events`, Flower, other workers.
//!
//! 1. Task events are off until the worker is started with `-E` or a client asks for them; the worker's own events are
//!    always sent. Whoever runs tasks asks [`Events::on`] first, which is one load.
//! 2. An event is written where it happens and put into a bounded channel. A full channel drops it and counts it: no task
//!    ever waits for an event.
//! 3. One task per worker ([`pump`]) takes them out and says them in batches of at most 24, as Celery does.
//!
//! A sensitive task's arguments and value are shown as stars.

mod heart;
mod pump;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::time::Duration;

use jiff::tz::TimeZone;
use postrider_core::celery::event::{Event, Field, Speaker};
use postrider_core::celery::repr::{MASKED_ARGS, MASKED_KWARGS, repr};
use postrider_core::celery::{Exception, format_instant};
use postrider_core::clock::Clock;
use serde_json::Value;
use tokio::sync::mpsc::{self, Receiver, Sender};

pub(crate) use heart::Heart;
pub(crate) use pump::pump;

use crate::lamport::Lamport;
use crate::tracker::Arrived;

/// How many events wait to be said.
const WAITING: usize = 8192;

/// Says what happens to tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    speaker: Speaker,
    mode: AtomicU8,
    lamport: Lamport,
    clock: Clock,
    /// Seconds west of UTC, which change twice a year.
    west: AtomicI32,
    waiting: Sender<String>,
}

/// Whether task events are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// No, until a client asks for them.
    Off,
    /// Yes, until a client asks for silence.
    On,
    /// Yes, whatever clients ask for: the worker was started so. Celery's worker cannot be turned off either.
    Always,
    /// Never: nothing hears them.
    Never,
}

/// Why a task was not run, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// Its end of life had passed.
    Expired,
    /// A client had revoked it.
    Revoked,
    /// A client stopped it, by one of Unix's signals.
    Terminated(u8),
}

impl Revocation {
    /// What Celery stores as the reason.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Terminated(_) => "terminated",
        }
    }
}

impl Events {
    /// Events of a node, and where they come out.
    pub(crate) fn new(node: &str, mode: Mode, lamport: Lamport, clock: Clock) -> (Self, Receiver<String>) {
        let (waiting, said) = mpsc::channel(WAITING);
        let events = Self(Arc::new(Inner {
            speaker: Speaker { hostname: node.into(), pid: std::process::id() },
            mode: AtomicU8::new(mode as u8),
            lamport,
            clock,
            west: AtomicI32::new(0),
            waiting,
        }));
        events.look_at_the_time_zone();
        (events, said)
    }

    /// Whether anything is said about tasks.
    pub(crate) fn on(&self) -> bool {
        matches!(self.mode(), Mode::On | Mode::Always)
    }

    /// What clients can change and what not.
    pub(crate) fn mode(&self) -> Mode {
        [Mode::Off, Mode::On, Mode::Always, Mode::Never][usize::from(self.0.mode.load(Ordering::Relaxed))]
    }

    /// Switches between on and off; nothing changes what is always or never.
    pub(crate) fn switch(&self, on: bool) {
        if matches!(self.mode(), Mode::On | Mode::Off) {
            self.0.mode.store(if on { Mode::On } else { Mode::Off } as u8, Ordering::Relaxed);
        }
    }

    /// Says nothing from now on: nobody can hear it.
    pub(crate) fn silence(&self) {
        self.0.mode.store(Mode::Never as u8, Ordering::Relaxed);
    }

    /// A task was taken in.
    pub(crate) fn received(&self, arrived: &Arrived<'_>) {
        let message = arrived.message;
        let text = |name| Field::from(message.header(name));
        let (args, kwargs) = if arrived.sensitive {
            (Field::Text(MASKED_ARGS), Field::Text(MASKED_KWARGS))
        } else {
            let shown = |name| Field::Text(message.header(name).unwrap_or_default());
            (shown("argsrepr"), shown("kwargsrepr"))
        };
        let headers = arrived.headers;
        let (eta, expires) = (headers.eta.map(format_instant), headers.expires.map(format_instant));
        self.say(
            "task-received",
            &[
                ("uuid", Field::Text(&headers.id)),
                ("name", Field::Text(arrived.name())),
                ("args", args),
                ("kwargs", kwargs),
                ("root_id", text("root_id")),
                ("parent_id", text("parent_id")),
                ("retries", Field::Number(headers.retries.into())),
                ("eta", Field::from(eta.as_deref())),
                ("expires", Field::from(expires.as_deref())),
            ],
        );
    }

    /// A task runs.
    pub(crate) fn started(&self, id: &str) {
        self.say("task-started", &[("uuid", Field::Text(id))]);
    }

    /// A task ended with a value.
    pub(crate) fn succeeded(&self, id: &str, value: &Value, runtime: Duration, sensitive: bool) {
        let shown = if sensitive && !value.is_null() { "'***'".to_owned() } else { repr(value) };
        let fields = [
            ("uuid", Field::Text(id)),
            ("result", Field::Text(&shown)),
            ("runtime", Field::Float(runtime.as_secs_f64())),
        ];
        self.say("task-succeeded", &fields);
    }

    /// A task ended with an exception.
    pub(crate) fn failed(&self, id: &str, exception: &Exception) {
        self.raised("task-failed", id, exception);
    }

    /// A task ended with an exception and is tried again.
    pub(crate) fn retried(&self, id: &str, exception: &Exception) {
        self.raised("task-retried", id, exception);
    }

    /// A task was not run, or not to its end.
    pub(crate) fn revoked(&self, id: &str, why: Revocation) {
        let (terminated, signum) = match why {
            Revocation::Terminated(signal) => (true, Field::Number(signal.into())),
            Revocation::Expired | Revocation::Revoked => (false, Field::Null),
        };
        let fields = [
            ("uuid", Field::Text(id)),
            ("terminated", Field::Bool(terminated)),
            ("signum", signum),
            ("expired", Field::Bool(why == Revocation::Expired)),
        ];
        self.say("task-revoked", &fields);
    }

    /// A task's message was rejected.
    pub(crate) fn rejected(&self, id: &str, requeue: bool) {
        self.say("task-rejected", &[("uuid", Field::Text(id)), ("requeue", Field::Bool(requeue))]);
    }

    fn raised(&self, kind: &str, id: &str, exception: &Exception) {
        let shown = exception.repr();
        let fields = [
            ("uuid", Field::Text(id)),
            ("exception", Field::Text(&shown)),
            ("traceback", Field::from(exception.traceback.as_deref())),
        ];
        self.say(kind, &fields);
    }

    fn say(&self, kind: &str, fields: &[(&'static str, Field<'_>)]) {
        if self.on() && self.0.waiting.try_send(self.write(kind, fields)).is_err() {
            metrics::counter!("postrider_events_dropped_total").increment(1);
        }
    }

    /// An event in this node's name, now.
    fn write(&self, kind: &str, fields: &[(&'static str, Field<'_>)]) -> String {
        let inner = &*self.0;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
        let timestamp = inner.clock.now_ms() as f64 / 1000.0;
        let event = Event {
            kind,
            speaker: &inner.speaker,
            clock: inner.lamport.forward(),
            timestamp,
            utcoffset: f64::from(inner.west.load(Ordering::Relaxed)) / 3600.0,
            fields,
        };
        event.write()
    }

    /// Learns the machine's distance from UTC. Receivers move an event's time by the difference to their own, so that
    /// a worker must not say 0 where Celery's workers on the same machine say -8.
    fn look_at_the_time_zone(&self) {
        let east = TimeZone::system().to_offset(self.0.clock.now()).seconds();
        self.0.west.store(-east, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use postrider_core::clock::ManualClock;
    use serde_json::json;

    use super::*;
    use crate::tracker::tests::{arrived, call};

    fn events(mode: Mode) -> (Events, Receiver<String>) {
        let clock = Clock::Manual(ManualClock::new(Timestamp::from_second(1_795_294_647).unwrap()));
        Events::new("worker1@host", mode, Lamport::default(), clock)
    }

    /// A captured event of that type, and its keys with the types of their values.
    fn shape(event: &Value) -> Vec<(String, &'static str)> {
        let kind = |value: &Value| match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "int",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        event.as_object().unwrap().iter().map(|(key, value)| (key.clone(), kind(value))).collect()
    }

    fn captured(text: &str, number: usize) -> Value {
        let capture: Value = serde_json::from_str(text).unwrap();
        let events: Vec<Value> = serde_json::from_str(capture["body"].as_str().unwrap()).unwrap();
        events[number].clone()
    }

    #[test]
    fn every_event_has_the_keys_and_types_of_its_capture() {
        let (events, mut said) = events(Mode::On);
        let error = Exception {
            traceback: Some("Traceback".into()),
            ..Exception::new("ValueError", "builtins", vec![json!("bad code"), json!("123456")])
        };
        let call = call("i1");

        events.received(&arrived(&call));
        events.started("i1");
        events.succeeded("i1", &json!({"sent": true}), Duration::from_micros(3_516), false);
        events.failed("i1", &error);
        events.retried("i1", &Exception { args: vec![json!("temporary")], ..error });
        events.revoked("i1", Revocation::Expired);
        events.revoked("i1", Revocation::Terminated(15));
        events.rejected("i1", false);

        let captures = [
            captured(include_str!("../../../tests/fixtures/celery/event-task-received.json"), 0),
            captured(include_str!("../../../tests/fixtures/celery/event-task-started.json"), 0),
            captured(include_str!("../../../tests/fixtures/celery/event-task-succeeded.json"), 0),
            captured(include_str!("../../../tests/fixtures/celery/event-task-failed.json"), 0),
            captured(include_str!("../../../tests/fixtures/celery/event-task-retried.json"), 0),
            captured(include_str!("../../../tests/fixtures/celery/event-task-revoked-expired.json"), 0),
            captured(include_str!("../../../tests/fixtures/celery/event-task-revoked-terminated.json"), 0),
            captured(include_str!("../../../tests/fixtures/celery/event-task-rejected.json"), 1),
        ];
        for theirs in captures {
            let ours: Value = serde_json::from_str(&said.try_recv().unwrap()).unwrap();
            assert_eq!(shape(&ours), shape(&theirs));
            assert_eq!(ours["type"], theirs["type"]);
            for key in ["exception", "terminated", "signum", "expired", "requeue", "kwargs"] {
                assert_eq!(ours.get(key), theirs.get(key), "{key}");
            }
        }
        assert!(said.try_recv().is_err());
    }

    #[test]
    fn nothing_of_a_sensitive_task_is_said() {
        let (events, mut said) = events(Mode::Always);
        let call = call("i1");

        events.received(&Arrived { sensitive: true, ..arrived(&call) });
        events.succeeded("i1", &json!("123456"), Duration::ZERO, true);

        let received = said.try_recv().unwrap();
        assert!(received.contains("\"args\":\"('***',)\"") && !received.contains("1, 2"), "{received}");
        assert!(!said.try_recv().unwrap().contains("123456"));
    }

    #[test]
    fn events_are_switched_by_clients_unless_they_are_always_on() {
        for (mode, after_on, after_off) in [
            (Mode::Off, Mode::On, Mode::Off),
            (Mode::Always, Mode::Always, Mode::Always),
            (Mode::Never, Mode::Never, Mode::Never),
        ] {
            let (events, mut said) = events(mode);
            events.started("before");
            events.switch(true);
            assert_eq!(events.mode(), after_on);
            events.switch(false);
            assert_eq!(events.mode(), after_off);
            assert_eq!(said.try_recv().is_ok(), mode == Mode::Always);
        }
    }

    #[test]
    fn a_full_channel_drops_events_and_nobody_waits() {
        let (events, mut said) = events(Mode::On);

        for _ in 0..WAITING + 10 {
            events.started("i1");
        }

        let taken = std::iter::from_fn(|| said.try_recv().ok()).count();
        assert_eq!(taken, WAITING);
    }
}
