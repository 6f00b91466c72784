//! Dead letters: a message that cannot be done, kept with the reason.
//!
//! The reason and what people need to find the message are in plain headers. The message itself, with its properties,
//! headers and body, is sealed, because it may hold a code and a number. Replaying opens it and publishes it again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use postrider_core::broker::message::{Message, Properties, Table, Value};
use postrider_core::celery::{TaskHeaders, format_instant};
use postrider_core::seal::{KeyRing, OpenError};
use postrider_core::task::Reason;
use serde::{Deserialize, Serialize};

/// How often a message was brought back from the dead-letter queue.
pub(crate) const REPLAYS_HEADER: &str = "postrider-replays";

const SEALED: &str = "application/vnd.postrider.dead-letter+sealed";
const PLAIN: &str = "application/vnd.postrider.dead-letter+json";
const CONTEXT: [&str; 1] = ["dead-letter"];
const FORMAT: i32 = 1;

/// What is known of a message that is buried.
#[derive(Debug)]
pub(crate) struct Burial<'a> {
    /// Its headers, if they could be read.
    pub headers: Option<&'a TaskHeaders>,
    /// The work queue that it came from, and that a replay brings it back to.
    pub queue: &'a str,
    /// When.
    pub at: Timestamp,
}

/// A dead letter as the commands show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The task id; empty when the message had none.
    pub id: String,
    /// The task's name; empty when the message had none.
    pub task: String,
    /// The queue that it came from.
    pub queue: String,
    /// Why it is here: a stable code.
    pub reason: String,
    /// Why it is here, for people.
    pub detail: String,
    /// How many retries it had.
    pub retries: i64,
    /// When it was buried.
    pub died_at: Option<Timestamp>,
    /// The end of life of what it was for.
    pub not_after: Option<Timestamp>,
}

/// Why a dead letter cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Its code has run out.
    #[error("its end of life was {0}: a code that has run out is not sent")]
    Expired(Timestamp),
    /// It cannot be opened.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// It does not hold a message of ours.
    #[error("it does not hold a message that can be replayed")]
    Unreadable,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Original {
    properties: Properties,
    headers: Table,
    body: String,
}

/// Wraps a message for the dead-letter queue.
pub(crate) fn letter(
    message: &Message,
    burial: &Burial<'_>,
    reason: &Reason,
    keys: Option<&KeyRing>,
    worker: &str,
) -> Message {
    let original = Original {
        properties: message.properties.clone(),
        headers: message.headers.clone(),
        body: STANDARD.encode(&message.body),
    };
    let plain = serde_json::to_vec(&original).expect("texts, numbers and lists are JSON");
    let (kind, body) = match keys {
        Some(keys) => (SEALED, keys.seal(&CONTEXT, &plain).into_bytes()),
        None => (PLAIN, plain),
    };
    let text = |text: &str| Value::Str(text.to_owned());
    // Where one header cannot be read, the others still say which message it is.
    let plainly = |name: &str| text(&clipped(message.header(name).unwrap_or_default()));
    let expires = burial.headers.and_then(|headers| headers.expires);
    let not_after = reason.not_after.or(expires).map_or(Value::Void, |at| text(&format_instant(at)));
    let headers = [
        ("postrider-dead", Value::I32(FORMAT)),
        ("postrider-reason", text(&reason.code)),
        ("postrider-detail", text(&reason.detail)),
        ("postrider-queue", text(burial.queue)),
        ("postrider-task", plainly("task")),
        ("postrider-id", plainly("id")),
        ("postrider-retries", Value::I64(burial.headers.map_or(0, |headers| headers.retries.into()))),
        ("postrider-died-at", text(&format_instant(burial.at))),
        ("postrider-not-after", not_after),
        ("postrider-worker", text(worker)),
    ];
    Message {
        properties: Properties {
            content_type: Some(kind.into()),
            delivery_mode: Some(2),
            ..Properties::default()
        },
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        body: body.into(),
    }
}

impl DeadLetter {
    /// Reads what the headers say. A message that the broker itself dead-lettered has only its own.
    pub fn read(message: &Message) -> Self {
        let text = |name: &str| message.header(name).unwrap_or_default().to_owned();
        let instant = |name: &str| message.header(name).and_then(|text| text.parse().ok());
        if message.headers.contains_key("postrider-dead") {
            return Self {
                id: text("postrider-id"),
                task: text("postrider-task"),
                queue: text("postrider-queue"),
                reason: text("postrider-reason"),
                detail: text("postrider-detail"),
                retries: message.headers.get("postrider-retries").and_then(Value::as_i64).unwrap_or(0),
                died_at: instant("postrider-died-at"),
                not_after: instant("postrider-not-after"),
            };
        }
        Self {
            id: text("id"),
            task: text("task"),
            queue: text("x-first-death-queue"),
            reason: format!("broker:{}", message.header("x-first-death-reason").unwrap_or("unknown")),
            detail: "the broker moved it here, for example after 200 deliveries".into(),
            retries: message.headers.get("retries").and_then(Value::as_i64).unwrap_or(0),
            died_at: None,
            not_after: instant("expires"),
        }
    }

    /// The queue and the message that bring the task back to life, its retries counted from zero again.
    pub fn replay(
        &self,
        message: &Message,
        keys: Option<&KeyRing>,
        now: Timestamp,
    ) -> Result<(String, Message), ReplayError> {
        if let Some(end) = self.not_after.filter(|end| *end <= now) {
            return Err(ReplayError::Expired(end));
        }
        let mut revived = open(message, keys)?;
        revived.strip_death_history();
        let replays = revived.headers.get(REPLAYS_HEADER).and_then(Value::as_i64).unwrap_or(0);
        revived.headers.insert(REPLAYS_HEADER.into(), Value::I64(replays + 1));
        revived.headers.insert("retries".into(), Value::I32(0));
        revived.headers.insert("eta".into(), Value::Void);
        if self.queue.is_empty() { Err(ReplayError::Unreadable) } else { Ok((self.queue.clone(), revived)) }
    }
}

fn open(message: &Message, keys: Option<&KeyRing>) -> Result<Message, ReplayError> {
    let original: Original = match (message.properties.content_type.as_deref(), keys) {
        (Some(SEALED), Some(keys)) => {
            let sealed = std::str::from_utf8(&message.body).map_err(|_| ReplayError::Unreadable)?;
            let plain = keys.open(&CONTEXT, sealed)?;
            serde_json::from_slice(&plain).map_err(|_| ReplayError::Unreadable)?
        }
        (Some(PLAIN), _) => serde_json::from_slice(&message.body).map_err(|_| ReplayError::Unreadable)?,
        (Some(SEALED), None) => return Err(ReplayError::Unreadable),
        _ => return Ok(message.clone()),
    };
    let body = STANDARD.decode(&original.body).map_err(|_| ReplayError::Unreadable)?;
    Ok(Message { properties: original.properties, headers: original.headers, body: body.into() })
}

fn clipped(text: &str) -> String {
    text.chars().take(128).collect()
}
