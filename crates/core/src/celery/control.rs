//! Remote control's messages: what a client broadcasts to all nodes, and what a node answers.
//!
//! Celery writes them with its `task_serializer`; a node answers as it was asked. A request without `reply_to` is a cast: nobody waits for an answer. Who it is for is decided by each node: see
//! [`Request::is_for`].

pub(crate) mod matcher;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::content::{self, BodyError};
use super::event::transient;
use super::serializer::Serializer;
use crate::broker::message::{Message, Table, Value as Header};
use matcher::Matcher;

/// How far the clocks of client and node may differ before a request counts as too old.
const CLOCKS_DIFFER: f64 = 3.0;

/// What a client asks of the nodes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Request {
    /// The command.
    pub method: String,
    /// Its arguments by name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub arguments: Map<String, Value>,
    /// The nodes that it is for; all of them when it is empty.
    #[serde(default)]
    pub destination: Option<Vec<String>>,
    /// Which nodes it is for, when it names none.
    #[serde(default)]
    pub pattern: Option<String>,
    /// How the pattern is to be read: `glob` or `pcre`.
    #[serde(default)]
    pub matcher: Option<String>,
    /// What the replies carry, so that the client knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Where the replies go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// What it is written with, and its replies.
    #[serde(skip)]
    pub serializer: Serializer,
}

/// Where a reply goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
}

/// A node's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The node.
    pub node: String,
    /// What it says.
    pub value: Value,
    /// Its logical clock.
    pub clock: u64,
}

/// Why a request is not one for this node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It cannot be read, or is not a request.
    #[error("it is no request in JSON or msgpack, so that remote control does not reach this worker")]
    Malformed,
    /// Its client has stopped waiting, these seconds ago by this machine's clock.
    #[error("its client stopped waiting {0} s ago, unless the clock of one of the two machines is wrong")]
    Expired(u64),
}

impl Request {
    /// A request to all nodes.
    pub fn new(method: impl Into<String>, arguments: Map<String, Value>) -> Self {
        Self { method: method.into(), arguments, ..Self::default() }
    }

    /// For these nodes alone.
    #[must_use]
    pub fn to(mut self, destination: Vec<String>) -> Self {
        self.destination = Some(destination);
        self
    }

    /// Reads a request at `now`, in seconds since the Unix epoch.
    pub fn read(message: &Message, now: f64) -> Result<Self, RequestError> {
        let content_type = message.properties.content_type.as_deref();
        let serializer = Serializer::of(content_type).ok_or(RequestError::Malformed)?;
        let expires = message.headers.get("expires").and_then(number).unwrap_or(0.0);
        if expires > 0.0 && now > expires + CLOCKS_DIFFER {
            let late = Duration::try_from_secs_f64(now - expires).unwrap_or(Duration::MAX);
            return Err(RequestError::Expired(late.as_secs()));
        }
        let request: Self = content::read(message).map_err(|_| RequestError::Malformed)?;
        Ok(Self { serializer, ..request })
    }

    /// The message that carries it; `expires` is in seconds since the Unix epoch, 0 for never.
    pub fn message(&self, clock: u64, expires: f64) -> Message {
        let headers = [("clock", clock_header(clock)), ("expires", Header::F64(expires))];
        let body = serde_json::to_value(self).expect("texts and JSON values are JSON");
        transient_with(headers, self.serializer, &body)
    }

    /// Whether a node is meant: by name, else by pattern, else because everybody is.
    pub fn is_for(&self, node: &str) -> bool {
        match (&self.destination, &self.pattern, &self.matcher) {
            (Some(destination), ..) if !destination.is_empty() => destination.iter().any(|name| name == node),
            (_, Some(pattern), Some(matcher)) if !pattern.is_empty() => {
                Matcher::new(pattern, matcher).is_some_and(|matcher| matcher.matches(node))
            }
            _ => true,
        }
    }

    /// The message that answers it, in the name of a node.
    pub fn reply(&self, node: &str, value: &Value, clock: u64) -> Message {
        let ticket = self.ticket.as_deref().map_or(Header::Void, Header::from);
        let body = json!({ node: value });
        transient_with([("ticket", ticket), ("clock", clock_header(clock))], self.serializer, &body)
    }
}

impl Reply {
    /// Reads the answers of a message, if they belong to that ticket. A message holds one answer, by custom.
    pub fn read(message: &Message, ticket: &str) -> Result<Vec<Self>, BodyError> {
        if message.header("ticket").is_some_and(|other| other != ticket) {
            return Ok(Vec::new());
        }
        let clock = logical_clock(message).unwrap_or(0);
        let replies: Map<String, Value> = content::read(message)?;
        Ok(replies.into_iter().map(|(node, value)| Self { node, value, clock }).collect())
    }
}

/// The sender's logical clock.
pub fn logical_clock(message: &Message) -> Option<u64> {
    message.headers.get("clock").and_then(Header::as_i64).and_then(|clock| u64::try_from(clock).ok())
}

/// py-amqp writes what fits 32 bits with 32, and so do we.
fn clock_header(clock: u64) -> Header {
    i32::try_from(clock).map_or_else(|_| Header::I64(i64::try_from(clock).unwrap_or(i64::MAX)), Header::I32)
}

fn number(value: &Header) -> Option<f64> {
    match value {
        Header::F64(value) => Some(*value),
        Header::F32(value) => Some((*value).into()),
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
        value => value.as_i64().map(|value| value as f64),
    }
}

fn transient_with<const N: usize>(
    headers: [(&str, Header); N],
    serializer: Serializer,
    body: &Value,
) -> Message {
    let headers: Table = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Message { properties: transient(serializer), headers, body: serializer.write(body).into() }
}

fn null_as_default<'de, D: serde::Deserializer<'de>>(arguments: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(arguments)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::message::Properties;

    const NOW: f64 = 1_795_294_767.0;

    fn captured() -> Value {
        serde_json::from_str(include_str!("../../../../tests/fixtures/celery/pidbox-ping.json")).unwrap()
    }

    fn message(body: &Value, expires: Header) -> Message {
        transient_with([("clock", Header::I32(1)), ("expires", expires)], Serializer::Json, body)
    }

    #[test]
    fn a_captured_request_is_read_and_written_again_and_answered_as_captured() {
        let captured = captured();
        let body = &captured["request"]["body_json"];

        let request = Request::read(&message(body, Header::F64(NOW + 1.0)), NOW).unwrap();
        let written = request.message(1, NOW + 1.0);
        let reply = request.reply("worker1@host", &json!({"ok": "pong"}), 5);

        assert_eq!(serde_json::from_slice::<Value>(&written.body).unwrap(), *body);
        let theirs = &captured["replies"][0];
        assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), theirs["body_json"]);
        assert_eq!(reply.header("ticket"), theirs["headers"]["ticket"].as_str());
        assert_eq!(reply.headers["clock"], Header::I32(5));
        let read = Reply::read(&reply, theirs["headers"]["ticket"].as_str().unwrap()).unwrap();
        assert_eq!(read, [Reply { node: "worker1@host".into(), value: json!({"ok": "pong"}), clock: 5 }]);
        assert_eq!(Reply::read(&reply, "another"), Ok(Vec::new()));
    }

    #[test]
    fn a_request_in_msgpack_is_answered_in_msgpack() {
        let asked = Request { serializer: Serializer::Msgpack, ..Request::new("ping", Map::new()) };

        let request = Request::read(&asked.message(1, 0.0), NOW).unwrap();
        let reply = request.reply("worker1@host", &json!({"ok": "pong"}), 5);

        assert_eq!(request, asked);
        let properties = &reply.properties;
        assert_eq!(properties.content_type.as_deref(), Some("application/x-msgpack"));
        assert_eq!(properties.content_encoding.as_deref(), Some("binary"));
        assert_eq!(Reply::read(&reply, "").unwrap()[0].value, json!({"ok": "pong"}));
        let pickled = Properties {
            content_type: Some("application/x-python-serialize".into()),
            ..transient(Serializer::Json)
        };
        assert!(
            Reply::read(&Message { properties: pickled, ..reply }, "").is_err(),
            "it is there, whatever it says"
        );
    }

    #[test]
    fn a_request_is_dropped_once_its_client_has_stopped_waiting() {
        let body = json!({"method": "ping", "arguments": null});
        for (expires, read) in [
            (Header::F64(0.0), true),
            (Header::I32(0), true),
            (Header::Void, true),
            (Header::F64(NOW - 1.0), true),
            (Header::F64(NOW - 10.0), false),
            (Header::I64(1), false),
        ] {
            assert_eq!(Request::read(&message(&body, expires.clone()), NOW).is_ok(), read, "{expires:?}");
        }
        let late = message(&body, Header::F64(NOW - 3_600.5));
        assert_eq!(Request::read(&late, NOW), Err(RequestError::Expired(3_600)));
        let mut pickled = message(&body, Header::Void);
        pickled.properties.content_type = Some("application/x-python-serialize".into());
        assert_eq!(Request::read(&pickled, NOW), Err(RequestError::Malformed));
        assert_eq!(Request::read(&message(&json!([1]), Header::Void), NOW), Err(RequestError::Malformed));
    }

    #[test]
    fn a_node_is_meant_by_name_by_pattern_or_because_everybody_is() {
        let to = |destination: Value, pattern: Value, matcher: Value| {
            let request =
                json!({"method": "ping", "destination": destination, "pattern": pattern, "matcher": matcher});
            serde_json::from_value::<Request>(request).unwrap().is_for("worker1@host")
        };
        let none = Value::Null;

        assert!(to(none.clone(), none.clone(), none.clone()));
        assert!(to(json!([]), none.clone(), none.clone()));
        assert!(to(json!(["a@b", "worker1@host"]), "nobody*".into(), "glob".into()));
        assert!(!to(json!(["nobody@x"]), none.clone(), none.clone()));
        assert!(to(none.clone(), "worker*".into(), "glob".into()));
        assert!(!to(none.clone(), "web*".into(), "glob".into()));
        assert!(to(none.clone(), r"worker\d+@.*".into(), "pcre".into()));
        assert!(to(none.clone(), "web*".into(), none.clone()), "a pattern without a matcher is none");
        assert!(!to(none.clone(), "worker*".into(), "soundex".into()));
    }
}
