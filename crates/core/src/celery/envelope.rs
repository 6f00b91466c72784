//! The envelope around a call: the headers and properties that Celery 5.7 writes, for every option of the call.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::headers::{JSON, PERSISTENT, format_instant};
use super::options::{Options, in_seconds};
use crate::broker::message::{Message, Properties, Table, Value};

/// A call that is about to become a message.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The task's name.
    pub task: &'a str,
    /// The task id.
    pub id: &'a str,
    /// The process that makes the call.
    pub origin: &'a str,
    /// What tools show as the positional arguments.
    pub argsrepr: &'a str,
    /// What tools show as the keyword arguments.
    pub kwargsrepr: &'a str,
    /// When the call is made.
    pub now: Timestamp,
    /// The options of the call. Its link, chain and chord are in the body.
    pub options: &'a Options,
}

impl Envelope<'_> {
    /// The message.
    pub fn seal(self, body: Vec<u8>) -> Message {
        let Self { options, now, .. } = self;
        let eta = options.due(now);
        let expires = options.end_of_life(now);
        // Down the delay ladder it would end the message early: see `TaskHeaders::postponed`.
        let dropped = expires.filter(|_| options.drop_expired && eta.is_none());
        let expiration = dropped.map(|at| at.duration_since(now).as_millis().max(0).to_string());
        Message {
            properties: Properties {
                content_type: Some(JSON.into()),
                content_encoding: Some("utf-8".into()),
                delivery_mode: Some(PERSISTENT),
                priority: Some(options.priority.unwrap_or(0)),
                correlation_id: Some(self.id.to_owned()),
                reply_to: options.reply_to.clone(),
                expiration,
                ..Properties::default()
            },
            headers: self.headers(eta, expires),
            body: body.into(),
        }
    }

    fn headers(self, eta: Option<Timestamp>, expires: Option<Timestamp>) -> Table {
        let options = self.options;
        let text = |text: &str| Value::Str(text.to_owned());
        let maybe = |text: &Option<String>| text.clone().map_or(Value::Void, Value::Str);
        let when = |at: Option<Timestamp>| at.map_or(Value::Void, |at| Value::Str(format_instant(at)));
        let limit = |limit: Option<_>| limit.map_or(Value::Void, |limit| header(&in_seconds(limit)));
        let number = |number: u32| Value::I32(i32::try_from(number).unwrap_or(i32::MAX));
        let stamped = options.stamped_headers.as_ref();
        let headers = [
            ("lang", text("rs")),
            ("task", text(self.task)),
            ("id", text(self.id)),
            ("shadow", maybe(&options.shadow)),
            ("eta", when(eta)),
            ("expires", when(expires)),
            ("group", maybe(&options.group_id)),
            ("group_index", options.group_index.map_or(Value::Void, whole)),
            ("retries", number(options.retries)),
            ("timelimit", Value::Array(vec![limit(options.time_limit), limit(options.soft_time_limit)])),
            ("root_id", text(options.root_id.as_deref().unwrap_or(self.id))),
            ("parent_id", maybe(&options.parent_id)),
            ("argsrepr", text(options.argsrepr.as_deref().unwrap_or(self.argsrepr))),
            ("kwargsrepr", text(options.kwargsrepr.as_deref().unwrap_or(self.kwargsrepr))),
            ("origin", text(self.origin)),
            ("ignore_result", options.ignore_result.map_or(Value::Void, Value::Bool)),
            ("replaced_task_nesting", number(options.replaced_task_nesting)),
            (
                "stamped_headers",
                stamped
                    .map_or(Value::Void, |names| Value::Array(names.iter().map(|name| text(name)).collect())),
            ),
            ("stamps", Value::Table(table(&options.stamps))),
        ];
        let mut headers: Table = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        headers.extend(table(&options.headers));
        headers
    }
}

/// A JSON value as a header, with the types that Celery's client library chooses.
pub(super) fn header(value: &Json) -> Value {
    match value {
        Json::Null => Value::Void,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => whole(number),
            (None, Some(number)) => Value::F64(number),
            (None, None) => Value::Str(number.to_string()),
        },
        Json::String(text) => Value::Str(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(header).collect()),
        Json::Object(object) => Value::Table(table(object)),
    }
}

fn table(object: &serde_json::Map<String, Json>) -> Table {
    object.iter().map(|(name, value)| (name.clone(), header(value))).collect()
}

fn whole(number: i64) -> Value {
    i32::try_from(number).map_or(Value::I64(number), Value::I32)
}
