//! The options of a call, those of `apply_async`: when, where to, for how long, and what comes after it.
//!
//! A typed call holds them as they are here; in a [`Call`] they are JSON under the names of `apply_async`. Reading is
//! lenient: an option that is not known, or that cannot be read, is left out, as a broken option of a link must not stop
//! the task that has run.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::headers::{format_instant, parse_instant};
use super::tagged::Tagged;

/// The broker's own option for the end of life, with which a signature that is not to be dropped says so. Celery puts its
/// own value over it.
const EXPIRATION: &str = "expiration";

/// How one call is made. What is not set comes from the task, or from Celery's defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// The task id, instead of a fresh UUID.
    pub task_id: Option<String>,
    /// The queue.
    pub queue: Option<String>,
    /// The exchange; it counts together with a routing key only, as in Celery.
    pub exchange: Option<String>,
    /// The routing key.
    pub routing_key: Option<String>,
    /// Not before this much later.
    pub countdown: Option<Duration>,
    /// Not before this instant.
    pub eta: Option<Timestamp>,
    /// Not after this.
    pub expires: Option<Expires>,
    /// Whether the broker drops it when it expires in its queue, as Celery has it. Without, it comes to a worker, which
    /// counts it and tells the task.
    pub drop_expired: bool,
    /// The priority, 0 to 9 or what the queue has.
    pub priority: Option<u8>,
    /// The hard time limit.
    pub time_limit: Option<Duration>,
    /// The soft time limit.
    pub soft_time_limit: Option<Duration>,
    /// Headers of the caller's own.
    pub headers: Map<String, Value>,
    /// What is called with the result.
    pub link: Vec<Call>,
    /// What is called with the task id after a failure.
    pub link_error: Vec<Call>,
    /// Another name for tools to show.
    pub shadow: Option<String>,
    /// Whether no result is kept.
    pub ignore_result: Option<bool>,
    /// What tools show as the positional arguments.
    pub argsrepr: Option<String>,
    /// What tools show as the keyword arguments.
    pub kwargsrepr: Option<String>,
    /// The first task of the workflow.
    pub root_id: Option<String>,
    /// The task that makes this call.
    pub parent_id: Option<String>,
    /// The group that it is a member of.
    pub group_id: Option<String>,
    /// Its place in the group.
    pub group_index: Option<i64>,
    /// The queue that results go to with the backend `rpc`.
    pub reply_to: Option<String>,
    /// The steps after it, the next one last.
    pub chain: Vec<Call>,
    /// The body of the chord that it is a member of.
    pub chord: Option<Box<Call>>,
    /// How many times it was retried.
    pub retries: u32,
    /// How many times a task replaced another one to come to this.
    pub replaced_task_nesting: u32,
    /// The names of the stamps.
    pub stamped_headers: Option<Vec<String>>,
    /// The stamps.
    pub stamps: Map<String, Value>,
}

/// An end of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// This much after the call is made.
    After(Duration),
    /// At this instant.
    At(Timestamp),
}

impl Options {
    /// Reads the options of a signature.
    pub fn read(options: &Map<String, Value>) -> Self {
        let text = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
        let whole = |name: &str| options.get(name).and_then(Value::as_i64);
        let count = |name: &str| whole(name).and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        let object = |name: &str| options.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let lasting = |name: &str| options.get(name).and_then(Value::as_f64).and_then(seconds);
        let calls = |name: &str| calls(options.get(name));
        let stamped_headers: Option<Vec<String>> = options.get("stamped_headers").and_then(|names| {
            names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        });
        let stamp = |name: &String| Some((name.clone(), options.get(name)?.clone()));
        let stamps = stamped_headers.iter().flatten().filter_map(stamp).collect();
        Self {
            task_id: text("task_id"),
            queue: text("queue"),
            exchange: text("exchange"),
            routing_key: text("routing_key"),
            // Zero is no countdown.
            countdown: lasting("countdown").filter(|countdown| !countdown.is_zero()),
            eta: options.get("eta").and_then(instant),
            expires: options.get("expires").and_then(|expires| match expires.as_f64() {
                Some(number) => seconds(number).map(Expires::After),
                None => instant(expires).map(Expires::At),
            }),
            drop_expired: !options.contains_key(EXPIRATION),
            priority: whole("priority").and_then(|priority| u8::try_from(priority).ok()),
            time_limit: lasting("time_limit"),
            soft_time_limit: lasting("soft_time_limit"),
            headers: object("headers"),
            link: calls("link"),
            link_error: calls("link_error"),
            shadow: text("shadow"),
            ignore_result: options.get("ignore_result").and_then(Value::as_bool),
            argsrepr: text("argsrepr"),
            kwargsrepr: text("kwargsrepr"),
            root_id: text("root_id"),
            parent_id: text("parent_id"),
            group_id: text("group_id"),
            group_index: whole("group_index"),
            reply_to: text("reply_to"),
            chain: calls("chain"),
            chord: calls("chord").into_iter().next().map(Box::new),
            retries: count("retries"),
            replaced_task_nesting: count("replaced_task_nesting"),
            stamped_headers,
            stamps,
        }
    }

    /// The options as a signature has them.
    pub fn write(&self) -> Map<String, Value> {
        let mut options = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                options.insert(name.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::String);
        let instant = |at: Timestamp| Value::String(format_instant(at));
        let list = |calls: &[Call]| (!calls.is_empty()).then(|| json!(calls));
        let more = |count: u32| (count > 0).then(|| json!(count));
        set("task_id", text(&self.task_id));
        set("queue", text(&self.queue));
        set("exchange", text(&self.exchange));
        set("routing_key", text(&self.routing_key));
        set("countdown", self.countdown.map(in_seconds));
        set("eta", self.eta.map(instant));
        set(
            "expires",
            self.expires.map(|expires| match expires {
                Expires::After(after) => in_seconds(after),
                Expires::At(at) => instant(at),
            }),
        );
        set(EXPIRATION, (self.expires.is_some() && !self.drop_expired).then_some(Value::Null));
        set("priority", self.priority.map(Value::from));
        set("time_limit", self.time_limit.map(in_seconds));
        set("soft_time_limit", self.soft_time_limit.map(in_seconds));
        set("headers", (!self.headers.is_empty()).then(|| Value::Object(self.headers.clone())));
        set("link", list(&self.link));
        set("link_error", list(&self.link_error));
        set("shadow", text(&self.shadow));
        set("ignore_result", self.ignore_result.map(Value::Bool));
        set("argsrepr", text(&self.argsrepr));
        set("kwargsrepr", text(&self.kwargsrepr));
        set("root_id", text(&self.root_id));
        set("parent_id", text(&self.parent_id));
        set("group_id", text(&self.group_id));
        set("group_index", self.group_index.map(Value::from));
        set("reply_to", text(&self.reply_to));
        set("chain", list(&self.chain));
        set("chord", self.chord.as_deref().map(Value::from));
        set("retries", more(self.retries));
        set("replaced_task_nesting", more(self.replaced_task_nesting));
        set("stamped_headers", self.stamped_headers.as_ref().map(|names| json!(names)));
        options.extend(self.stamps.clone());
        options
    }

    /// Not before this instant, if the call is not for now.
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        self.countdown.map(|countdown| later(now, countdown)).or(self.eta)
    }

    /// Not after this instant, if it has an end of life.
    pub fn end_of_life(&self, now: Timestamp) -> Option<Timestamp> {
        self.expires.map(|expires| match expires {
            Expires::After(after) => later(now, after),
            Expires::At(at) => at,
        })
    }
}

impl From<Duration> for Expires {
    fn from(after: Duration) -> Self {
        Self::After(after)
    }
}

impl From<Timestamp> for Expires {
    fn from(at: Timestamp) -> Self {
        Self::At(at)
    }
}

/// Seconds as Celery writes them: a whole number where it is one.
pub(super) fn in_seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 { json!(duration.as_secs()) } else { json!(duration.as_secs_f64()) }
}

/// A duration of that many seconds; below zero counts as zero.
pub(super) fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn instant(value: &Value) -> Option<Timestamp> {
    match Tagged::of(value) {
        Some(Tagged::DateTime(text)) => parse_instant(text),
        _ => parse_instant(value.as_str()?),
    }
}

fn calls(value: Option<&Value>) -> Vec<Call> {
    let read = |value: &Value| serde_json::from_value(value.clone()).ok();
    match value {
        Some(Value::Array(calls)) => calls.iter().filter_map(read).collect(),
        Some(call) => read(call).into_iter().collect(),
        None => Vec::new(),
    }
}
