//! A message that is put off: the same one for a later instant.

use std::time::Duration;

use jiff::Timestamp;
use postrider_core::broker::message::{Message, Value};
use postrider_core::celery::TaskHeaders;

/// How often a message had to wait for its time or its turn. Its `eta` stays as it was, so that this alone tells it from
/// what it came from.
pub(crate) const WAITS_HEADER: &str = "postrider-waits";

/// The same message for a time that far ahead, its count of retries unchanged.
pub(crate) fn postponed(message: &Message, now: Timestamp, delay: Duration) -> Message {
    TaskHeaders::postponed(message, later(now, delay))
}

/// The same for one that has not begun, and waits for its time or its turn.
pub(crate) fn waiting(message: &Message, now: Timestamp, delay: Duration) -> Message {
    let mut next = postponed(message, now, delay);
    next.headers.insert(WAITS_HEADER.into(), Value::I64(number(message, WAITS_HEADER) + 1));
    next
}

/// That much after an instant.
pub(crate) fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// A header's whole number; zero where there is none.
pub(crate) fn number(message: &Message, header: &str) -> i64 {
    message.headers.get(header).and_then(Value::as_i64).unwrap_or(0)
}
