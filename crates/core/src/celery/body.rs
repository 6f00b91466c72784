//! The body of a task message: `[args, kwargs, embed]`, a JSON array.
//!
//! Only the arguments are read here. The embed (links, chain, chord) stays in the bytes, which a retry republishes
//! unchanged.

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use crate::broker::message::Message;

/// Largest body that is decoded. A task's arguments are far below it; more is a mistake or an attack.
const MAX_BODY: usize = 1024 * 1024;

/// The arguments of a call, as Python made it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments {
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
}

/// Why a body cannot be read. The texts hold no part of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Larger than what is decoded.
    #[error("the body is larger than {MAX_BODY} bytes")]
    TooLarge,
    /// Another serializer than JSON.
    #[error("the content type {0:?} is not supported: set task_serializer = 'json'")]
    ContentType(String),
    /// Another encoding than UTF-8.
    #[error("the content encoding {0:?} is not supported: use utf-8")]
    ContentEncoding(String),
    /// A compressed body.
    #[error("the compression {0:?} is not supported: unset task_compression")]
    Compression(String),
    /// Not the JSON array that the protocol asks for.
    #[error("the body is not the JSON array [args, kwargs, embed]")]
    Malformed,
}

impl Arguments {
    /// Reads the body of a message that is known to be a task.
    pub fn read(message: &Message) -> Result<Self, BodyError> {
        let properties = &message.properties;
        if message.body.len() > MAX_BODY {
            return Err(BodyError::TooLarge);
        }
        match properties.content_type.as_deref() {
            // Messages written by hand leave it out; the array below says what they are.
            None | Some("application/json") => {}
            Some(other) => return Err(BodyError::ContentType(clipped(other))),
        }
        match properties.content_encoding.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("utf-8" | "utf8") => {}
            Some(other) => return Err(BodyError::ContentEncoding(clipped(other))),
        }
        if let Some(compression) = message.header("compression") {
            return Err(BodyError::Compression(clipped(compression)));
        }
        let (args, kwargs, _embed): (Vec<Value>, Map<String, Value>, IgnoredAny) =
            serde_json::from_slice(&message.body).map_err(|_| BodyError::Malformed)?;
        Ok(Self { args, kwargs })
    }

    /// The arguments that carry `payload`: a struct becomes keyword arguments, a tuple positional ones.
    pub fn of(payload: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(match serde_json::to_value(payload)? {
            Value::Object(kwargs) => Self { kwargs, ..Self::default() },
            Value::Array(args) => Self { args, ..Self::default() },
            Value::Null => Self::default(),
            single => Self { args: vec![single], ..Self::default() },
        })
    }

    /// The body that Celery writes for these arguments.
    pub fn write(&self) -> Vec<u8> {
        let embed = json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null});
        json!([self.args, self.kwargs, embed]).to_string().into_bytes()
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::message::Properties;

    fn with_body(body: &str) -> Message {
        Message { body: body.to_owned().into(), ..Message::default() }
    }

    #[test]
    fn bodies_that_a_stock_worker_dies_of_are_errors_with_a_reason() {
        for body in ["{nope", "[[1], {}]", "[[1], null, {}]", "Hello RabbitMQ!", "", "{\"task\": \"x\"}"] {
            assert_eq!(Arguments::read(&with_body(body)), Err(BodyError::Malformed), "{body}");
        }
        assert!(Arguments::read(&with_body("[[2, 3], {}, null]")).is_ok());
        assert_eq!(Arguments::read(&with_body(&" ".repeat(MAX_BODY + 1))), Err(BodyError::TooLarge));
    }

    #[test]
    fn other_serializers_are_named() {
        let mut message = with_body("[[], {}, {}]");
        message.properties = Properties {
            content_type: Some("application/x-python-serialize".into()),
            ..Properties::default()
        };

        let error = Arguments::read(&message).unwrap_err();

        assert_eq!(error, BodyError::ContentType("application/x-python-serialize".into()));
        assert!(error.to_string().contains("task_serializer"));
    }

    #[test]
    fn what_is_written_is_what_celery_writes() {
        let arguments = Arguments::of(&("13800138000", "123456")).unwrap();
        let body = String::from_utf8(arguments.write()).unwrap();

        let celery = r#"[["13800138000", "123456"], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]"#;
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(parsed(&body), parsed(celery));
    }
}
