//! A message as it travels: properties, a header table and a body that stays bytes.
//!
//! The types mirror AMQP 0-9-1's (section 4.2 of the specification) without loss, so that a message can be forwarded,
//! delayed or kept in the dead-letter queue exactly as it came, and so that nothing outside `amqp` names the client
//! library.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A message to publish, or one that was received.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// The basic properties.
    pub properties: Properties,
    /// The header table, where Celery keeps a task's identity and schedule.
    pub headers: Table,
    /// The payload. Nothing reads it before the headers have said what it is.
    pub body: Bytes,
}

/// AMQP's basic properties, less `headers` and less what only a cluster's inside uses.
///
/// `user_id` is left out on purpose: the broker refuses a message that names another user than the connection's, so a
/// forwarded message could not keep it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names and meanings are AMQP's own")]
pub struct Properties {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub delivery_mode: Option<u8>,
    pub priority: Option<u8>,
    pub correlation_id: Option<String>,
    pub reply_to: Option<String>,
    pub expiration: Option<String>,
    pub message_id: Option<String>,
    pub timestamp: Option<u64>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub app_id: Option<String>,
}

/// A header table.
pub type Table = BTreeMap<String, Value>;

/// A header's value, with AMQP's exact type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are AMQP's own")]
pub enum Value {
    Void,
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    Decimal {
        scale: u8,
        value: u32,
    },
    Str(String),
    /// A long string that is not UTF-8.
    RawStr(Vec<u8>),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Timestamp(u64),
    Table(Table),
}

impl Value {
    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// At least the bytes that it takes on the wire, its type included.
    fn size(&self) -> usize {
        match self {
            Self::Str(text) => 5 + text.len(),
            Self::RawStr(bytes) | Self::Bytes(bytes) => 5 + bytes.len(),
            Self::Array(values) => 5 + values.iter().map(Self::size).sum::<usize>(),
            Self::Table(table) => {
                5 + table.iter().map(|(name, value)| name.len() + 1 + value.size()).sum::<usize>()
            }
            _ => 9,
        }
    }

    /// A whole number of any width; text of digits counts too, as it does in Celery.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::I8(value) => Some((*value).into()),
            Self::U8(value) => Some((*value).into()),
            Self::I16(value) => Some((*value).into()),
            Self::U16(value) => Some((*value).into()),
            Self::I32(value) => Some((*value).into()),
            Self::U32(value) => Some((*value).into()),
            Self::I64(value) => Some(*value),
            Self::Timestamp(value) => i64::try_from(*value).ok(),
            Self::Str(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl Message {
    /// The text of a header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(Value::as_str)
    }

    /// At least the bytes that the headers take on the wire.
    pub fn headers_size(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.len() + 1 + value.size()).sum()
    }

    /// Takes out the history that dead-lettering wrote into the headers.
    ///
    /// A message that is published again with it would be dropped by the broker's cycle detection at its second trip
    /// through the delay ladder (celery issue 9867).
    pub fn strip_death_history(&mut self) {
        self.headers.retain(|name, _| {
            !(name.starts_with("x-death")
                || name.starts_with("x-first-death")
                || name.starts_with("x-last-death")
                || name == "x-delivery-count")
        });
    }
}
