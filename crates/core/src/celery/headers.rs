//! The headers of a task message: who it is, when it may run, how often it has been tried.
//!
//! Reading is as lenient as Celery 5.7 is and more: every integer width, naive instants as UTC. Writing produces what
//! Celery writes, so that a Python worker can finish what this one delays.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::envelope::Envelope;
use super::options::{Expires, Options};
use crate::broker::message::{Message, Table, Value};

/// The content type of every body that is written here.
pub(super) const JSON: &str = "application/json";
/// AMQP's delivery mode for a message that survives a restart of the broker.
pub(super) const PERSISTENT: u8 = 2;

/// What the headers of a task message say. Headers that are not read here stay in the message and survive a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHeaders {
    /// The registered name of the task.
    pub task: String,
    /// The task id, the same through every retry.
    pub id: String,
    /// How many times it was retried so far.
    pub retries: u32,
    /// Not before this instant.
    pub eta: Option<Timestamp>,
    /// Not after this instant.
    pub expires: Option<Timestamp>,
}

/// Why headers are not those of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// No `task` header: not a Celery message of protocol 2.
    #[error("no `task` header: not a Celery task message (protocol 2)")]
    NoTask,
    /// No `id` header. It stops a stock Celery worker; here it is one bad message.
    #[error("no `id` header")]
    NoId,
    /// A header that cannot be read.
    #[error("the header `{0}` cannot be read")]
    Unreadable(&'static str),
}

impl TaskHeaders {
    /// Reads the headers of a received message.
    pub fn read(message: &Message) -> Result<Self, HeaderError> {
        let headers = &message.headers;
        Ok(Self {
            task: message.header("task").ok_or(HeaderError::NoTask)?.to_owned(),
            id: message.header("id").filter(|id| !id.is_empty()).ok_or(HeaderError::NoId)?.to_owned(),
            retries: match headers.get("retries") {
                None | Some(Value::Void) => 0,
                Some(value) => value
                    .as_i64()
                    .and_then(|retries| u32::try_from(retries).ok())
                    .ok_or(HeaderError::Unreadable("retries"))?,
            },
            eta: instant(headers, "eta")?,
            expires: instant(headers, "expires")?,
        })
    }

    /// A message with the headers that Celery 5.7 writes for a plain `delay()`, and the given body.
    ///
    /// `shown` is what tools display as the arguments; `origin` names the producing process.
    pub fn write(&self, origin: &str, shown: Option<(&str, &str)>, body: Vec<u8>) -> Message {
        let options = Options {
            eta: self.eta,
            expires: self.expires.map(Expires::At),
            retries: self.retries,
            ignore_result: Some(false),
            ..Options::default()
        };
        let (argsrepr, kwargsrepr) = shown.unwrap_or(("()", "{}"));
        // A plain call has no relative option, for which the time of the call would count.
        let now = Timestamp::UNIX_EPOCH;
        let options = &options;
        Envelope { task: &self.task, id: &self.id, origin, argsrepr, kwargsrepr, now, options }.seal(body)
    }

    /// The same message for its next try, as Celery publishes a retry: `retries` and `eta` set, `parent_id` its own id,
    /// every other header, the properties and the body as they were.
    pub fn retried(message: &Message, id: &str, retries: u32, eta: Option<Timestamp>) -> Message {
        let mut next = match eta {
            Some(eta) => Self::postponed(message, eta),
            None => Self::at_once(message),
        };
        next.headers.insert("retries".into(), Value::I32(i32::try_from(retries).unwrap_or(i32::MAX)));
        next.headers.insert("parent_id".into(), id.into());
        next
    }

    /// The same message for a later time, its count of retries unchanged.
    pub fn postponed(message: &Message, eta: Timestamp) -> Message {
        let mut next = Self::at_once(message);
        next.headers.insert("eta".into(), Value::Str(format_instant(eta)));
        next
    }

    fn at_once(message: &Message) -> Message {
        let mut next = message.clone();
        next.strip_death_history();
        next.properties.delivery_mode = Some(PERSISTENT);
        // A property `expiration` is a per-message TTL; in a delay queue it would take the message out early.
        next.properties.expiration = None;
        next.headers.insert("eta".into(), Value::Void);
        next
    }
}

/// An instant as Celery writes it: ISO 8601 in UTC with microseconds, `2026-01-02T03:04:05.678000+00:00`.
pub fn format_instant(instant: Timestamp) -> String {
    let utc = instant.to_zoned(TimeZone::UTC);
    utc.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

fn instant(headers: &Table, name: &'static str) -> Result<Option<Timestamp>, HeaderError> {
    match headers.get(name) {
        None | Some(Value::Void) => Ok(None),
        Some(Value::Timestamp(seconds)) => i64::try_from(*seconds)
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .map(Some)
            .ok_or(HeaderError::Unreadable(name)),
        Some(Value::Str(text)) => parse_instant(text).map(Some).ok_or(HeaderError::Unreadable(name)),
        Some(_) => Err(HeaderError::Unreadable(name)),
    }
}

/// An instant without an offset means the app's time zone in Celery, which is UTC unless it was changed.
pub(super) fn parse_instant(text: &str) -> Option<Timestamp> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &[(&str, Value)]) -> Message {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Message { headers, ..Message::default() }
    }

    #[test]
    fn instants_are_read_in_every_form_that_celery_writes() {
        for (text, expected) in [
            ("2030-01-02T03:04:05.678000+08:00", "2030-01-01T19:04:05.678Z"),
            ("2030-01-02T03:04:05", "2030-01-02T03:04:05Z"),
            ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse_instant(text).unwrap().to_string(), expected);
        }
        assert_eq!(parse_instant("tomorrow"), None);
        assert_eq!(
            format_instant("2026-11-21T21:15:23.340454Z".parse().unwrap()),
            "2026-11-21T21:15:23.340454+00:00"
        );
    }

    #[test]
    fn the_least_that_python_runs_is_read_and_the_rest_is_named() {
        let least = TaskHeaders::read(&message(&[("task", "add".into()), ("id", "1".into())])).unwrap();
        assert_eq!((least.retries, least.eta, least.expires), (0, None, None));

        let cases = [
            (vec![("id", "1".into())], HeaderError::NoTask),
            (vec![("task", "add".into())], HeaderError::NoId),
            (
                vec![("task", "add".into()), ("id", "1".into()), ("eta", "tomorrow".into())],
                HeaderError::Unreadable("eta"),
            ),
            (
                vec![("task", "add".into()), ("id", "1".into()), ("retries", Value::Bool(true))],
                HeaderError::Unreadable("retries"),
            ),
        ];
        for (headers, expected) in cases {
            assert_eq!(TaskHeaders::read(&message(&headers)), Err(expected));
        }
    }

    #[test]
    fn a_retry_changes_what_celery_changes_and_nothing_else() {
        let mut first = message(&[
            ("task", "add".into()),
            ("id", "1".into()),
            ("retries", Value::I64(0)),
            ("tenant", "t1".into()),
            ("x-death", Value::Array(vec![])),
            ("x-first-death-queue", "q".into()),
        ]);
        first.properties.expiration = Some("5000".into());
        first.properties.reply_to = Some("r".into());

        let next = TaskHeaders::retried(&first, "1", 1, "2030-01-01T00:00:00Z".parse().ok());

        let names: Vec<&str> = next.headers.keys().map(String::as_str).collect();
        assert_eq!(names, ["eta", "id", "parent_id", "retries", "task", "tenant"]);
        assert_eq!(next.headers["retries"], Value::I32(1));
        assert_eq!(next.header("parent_id"), Some("1"));
        assert_eq!(next.properties.expiration, None);
        assert_eq!(next.properties.reply_to.as_deref(), Some("r"));
        let at_once = TaskHeaders::retried(&next, "1", 2, None);
        assert_eq!(at_once.headers["eta"], Value::Void, "as with countdown=0");
    }
}
