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
/// Its message was left out.
const BARE: &str = "application/vnd.postrider.dead-letter+bare";
const FORMAT: i32 = 1;
/// The largest letter, in bytes: RabbitMQ 4 takes 16 MiB by default, and closes the channel of a message that is larger.
const LARGEST: usize = 15 * 1024 * 1024;
/// The most bytes of headers to which a letter's own are added.
const MOST_HEADERS: usize = 64 * 1024;
/// What the letter's own headers are called.
const HEADERS: [&str; 10] = [
    "postrider-dead",
    "postrider-reason",
    "postrider-detail",
    "postrider-queue",
    "postrider-task",
    "postrider-id",
    "postrider-retries",
    "postrider-died-at",
    "postrider-not-after",
    "postrider-worker",
];

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
    /// It holds no message.
    #[error("its message was too large to be kept")]
    LeftOut,
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
    let text = |text: &str| Value::Str(text.to_owned());
    // Where one header cannot be read, the others still say which message it is.
    let plainly = |name: &str| text(&clipped(message.header(name).unwrap_or_default()));
    let expires = burial.headers.and_then(|headers| headers.expires);
    let not_after = reason.not_after.or(expires).map_or(Value::Void, |at| text(&format_instant(at)));
    let values = [
        Value::I32(FORMAT),
        text(&reason.code),
        text(&reason.detail),
        text(burial.queue),
        plainly("task"),
        plainly("id"),
        Value::I64(burial.headers.map_or(0, |headers| headers.retries.into())),
        text(&format_instant(burial.at)),
        not_after,
        text(worker),
    ];
    let headers = HEADERS.into_iter().map(str::to_owned).zip(values).collect();
    // Base64 makes four bytes of three, and sealing does it once more.
    let grown = |size: usize| size / 3 * 4;
    let size = grown(message.body.len());
    if keys.map_or(size, |_| grown(size)) > LARGEST {
        return large_letter(message, headers, keys.is_some());
    }
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
    Message { properties: of_kind(kind), headers, body: body.into() }
}

/// A letter about a message that is too large to be wrapped: the message itself with the letter's headers, or those alone
/// where it would have been sealed.
fn large_letter(message: &Message, mut headers: Table, sealed: bool) -> Message {
    if !sealed && message.headers_size() <= MOST_HEADERS {
        let mut kept = message.clone();
        kept.properties.delivery_mode = Some(2);
        kept.properties.expiration = None;
        kept.headers.extend(headers);
        return kept;
    }
    let detail = headers.get("postrider-detail").and_then(Value::as_str).unwrap_or_default();
    let detail = format!("{detail} (its {} bytes are too many to be kept)", message.body.len());
    headers.insert("postrider-detail".into(), Value::Str(detail));
    Message { properties: of_kind(BARE), headers, body: Vec::new().into() }
}

fn of_kind(kind: &str) -> Properties {
    Properties { content_type: Some(kind.into()), delivery_mode: Some(2), ..Properties::default() }
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
        revived.headers.retain(|name, _| !HEADERS.contains(&name.as_str()));
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
        (Some(BARE), _) => return Err(ReplayError::LeftOut),
        _ => return Ok(message.clone()),
    };
    let body = STANDARD.decode(&original.body).map_err(|_| ReplayError::Unreadable)?;
    Ok(Message { properties: original.properties, headers: original.headers, body: body.into() })
}

fn clipped(text: &str) -> String {
    text.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "867530";

    fn large() -> Message {
        let headers = [("task", "t"), ("id", "1"), ("argsrepr", SECRET)];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        Message { headers: headers.collect(), body: vec![b'x'; LARGEST].into(), ..Message::default() }
    }

    fn bury(message: &Message, keys: Option<&KeyRing>) -> Message {
        let burial = Burial { headers: None, queue: "q", at: Timestamp::UNIX_EPOCH };
        letter(message, &burial, &Reason::new("broken", "it broke"), keys, "w")
    }

    #[test]
    fn a_message_too_large_to_be_wrapped_is_kept_as_it_is_and_replayed() {
        let message = large();

        let letter = bury(&message, None);

        assert_eq!(letter.body, message.body);
        let read = DeadLetter::read(&letter);
        assert_eq!((read.id.as_str(), read.reason.as_str(), read.queue.as_str()), ("1", "broken", "q"));
        let (queue, revived) = read.replay(&letter, None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((queue.as_str(), &revived.body), ("q", &message.body));
        assert!(!revived.headers.contains_key("postrider-dead"), "{:?}", revived.headers);
    }

    #[test]
    fn one_that_would_have_been_sealed_is_left_out_and_the_letter_says_so() {
        let keys = KeyRing::parse(&KeyRing::generate_line("k1")).unwrap();

        let letter = bury(&large(), Some(&keys));

        assert!(letter.body.is_empty() && !format!("{letter:?}").contains(SECRET));
        let read = DeadLetter::read(&letter);
        assert!(read.detail.contains("too many to be kept"), "{}", read.detail);
        assert_eq!(read.replay(&letter, Some(&keys), Timestamp::UNIX_EPOCH), Err(ReplayError::LeftOut));
    }
}
