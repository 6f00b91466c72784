//! What a worker says about itself and its tasks on the exchange `celeryev`: one event as JSON, and the message that
//! carries one or a batch.
//!
//! Fields come in the order that Celery 5.7 writes them, so that captures can be compared by eye.

use std::fmt::Write as _;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::serializer::Serializer as BodySerializer;
use crate::broker::message::{Message, Properties, Table};

/// The routing key of a batch of task events.
pub const TASK_BATCH: &str = "task.multi";
/// How many events Celery puts into one batch.
pub const BATCH: usize = 24;

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Its type, as `task-received`.
    pub kind: &'a str,
    /// Who says it.
    pub speaker: &'a Speaker,
    /// The logical clock, moved forward for this event.
    pub clock: u64,
    /// When, in seconds since the Unix epoch.
    pub timestamp: f64,
    /// Hours west of UTC. A receiver whose own differ moves the timestamp by the difference.
    pub utcoffset: f64,
    /// What the type adds.
    pub fields: &'a [(&'static str, Field<'a>)],
}

/// Who says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The node name.
    pub hostname: String,
    /// The process id.
    pub pid: u32,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Field<'a> {
    Null,
    Bool(bool),
    Number(u64),
    Float(f64),
    Text(&'a str),
    Load([f64; 3]),
}

impl<'a> From<Option<&'a str>> for Field<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Load(values) => values.serialize(serializer),
        }
    }
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("hostname", &self.speaker.hostname)?;
        map.serialize_entry("utcoffset", &self.utcoffset)?;
        map.serialize_entry("pid", &self.speaker.pid)?;
        map.serialize_entry("clock", &self.clock)?;
        for (name, value) in self.fields {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.serialize_entry("type", self.kind)?;
        map.end()
    }
}

impl Event<'_> {
    /// The event as JSON.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("texts and finite numbers are JSON")
    }

    /// The routing key of an event that travels alone.
    pub fn routing_key(kind: &str) -> String {
        kind.replace('-', ".")
    }
}

/// The message that carries one event.
pub fn single(speaker: &Speaker, event: String) -> Message {
    message(speaker, event)
}

/// The message that carries a batch of events.
pub fn batch(speaker: &Speaker, events: &[String]) -> Message {
    let size = events.iter().map(String::len).sum::<usize>() + 2 * events.len() + 2;
    let mut body = String::with_capacity(size);
    body.push('[');
    for (number, event) in events.iter().enumerate() {
        let separator = if number == 0 { "" } else { ", " };
        write!(body, "{separator}{event}").expect("a text takes all");
    }
    body.push(']');
    message(speaker, body)
}

fn message(speaker: &Speaker, body: String) -> Message {
    Message {
        properties: transient(BodySerializer::Json),
        headers: Table::from([("hostname".into(), speaker.hostname.as_str().into())]),
        body: body.into(),
    }
}

/// The properties of a message that need not survive a restart of the broker.
pub(super) fn transient(serializer: BodySerializer) -> Properties {
    let (content_type, content_encoding) = serializer.content();
    Properties {
        content_type: Some(content_type.into()),
        content_encoding: Some(content_encoding.into()),
        delivery_mode: Some(1),
        priority: Some(0),
        ..Properties::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(capture: &str) -> Value {
        serde_json::from_str(capture).unwrap()
    }

    fn speaker() -> Speaker {
        Speaker { hostname: "worker1@host".into(), pid: 32760 }
    }

    /// What a test compares: the event of a capture, and ours with the same fields.
    fn rewritten(captured: &Value, fields: &[(&'static str, Field<'_>)]) -> String {
        let event = Event {
            kind: captured["type"].as_str().unwrap(),
            speaker: &speaker(),
            clock: captured["clock"].as_u64().unwrap(),
            timestamp: captured["timestamp"].as_f64().unwrap(),
            utcoffset: captured["utcoffset"].as_f64().unwrap(),
            fields,
        };
        event.write()
    }

    #[test]
    fn an_event_is_written_as_celery_writes_it() {
        let captured = read(include_str!("../../../../tests/fixtures/celery/event-worker-heartbeat.json"));
        let body = captured["body"].as_str().unwrap();
        let fields = [
            ("freq", Field::Float(2.0)),
            ("active", Field::Number(0)),
            ("processed", Field::Number(0)),
            ("loadavg", Field::Load([5.04, 2.25, 0.86])),
            ("sw_ident", Field::Text("py-celery")),
            ("sw_ver", Field::Text("5.7.0")),
            ("sw_sys", Field::Text("Linux")),
        ];

        let ours = rewritten(&serde_json::from_str(body).unwrap(), &fields);

        assert_eq!(ours, body.replace(": ", ":").replace(", ", ","));
        let message = single(&speaker(), ours);
        assert_eq!(message.headers["hostname"].as_str(), Some("worker1@host"));
        assert_eq!(
            serde_json::to_value(transient(BodySerializer::Json)).unwrap()["delivery_mode"],
            captured["properties"]["delivery_mode"]
        );
        assert_eq!(Event::routing_key("worker-heartbeat"), captured["routing_key"].as_str().unwrap());
    }

    #[test]
    fn a_batch_is_an_array_even_of_one_event() {
        let captured = read(include_str!("../../../../tests/fixtures/celery/event-task-started.json"));
        let events: Vec<Value> = serde_json::from_str(captured["body"].as_str().unwrap()).unwrap();
        let uuid = events[0]["uuid"].as_str().unwrap();

        let ours = rewritten(&events[0], &[("uuid", Field::Text(uuid))]);
        let message = batch(&speaker(), &[ours.clone(), ours]);

        let parsed: Vec<Value> = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(parsed, [events[0].clone(), events[0].clone()]);
        assert_eq!(captured["routing_key"], TASK_BATCH);
    }
}
