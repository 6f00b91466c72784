//! The body of a task message: `[args, kwargs, embed]`.
//!
//! Arguments and what follows the task are read in one go. The bytes stay as they are, and a retry republishes them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content::{self, BodyError};
use super::embed::Embed;
use super::headers::JSON;
use super::newtype::is_newtype;
use super::repr::{MASKED_ARGS, MASKED_KWARGS, args_repr, kwargs_repr};
use crate::broker::message::Message;

/// The arguments of a call, as Python made it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments {
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
}

/// A body: the arguments, and what follows the task.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(from = "(Vec<Value>, Map<String, Value>, Embed)")]
pub struct Body {
    /// The arguments.
    pub arguments: Arguments,
    /// What follows.
    pub embed: Embed,
}

impl Body {
    /// Reads the body of a message that is known to be a task.
    pub fn read(message: &Message) -> Result<Self, BodyError> {
        content::read(message)
    }
}

impl From<(Vec<Value>, Map<String, Value>, Embed)> for Body {
    fn from((args, kwargs, embed): (Vec<Value>, Map<String, Value>, Embed)) -> Self {
        Self { arguments: Arguments { args, kwargs }, embed }
    }
}

impl Arguments {
    /// Reads the arguments of a message that is known to be a task.
    pub fn read(message: &Message) -> Result<Self, BodyError> {
        Body::read(message).map(|body| body.arguments)
    }

    /// The arguments that carry `payload`: a struct becomes keyword arguments, a tuple positional ones. A list in a newtype
    /// is one argument, whatever its length.
    pub fn of(payload: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(match serde_json::to_value(payload)? {
            list @ Value::Array(_) if is_newtype(payload) => Self { args: vec![list], ..Self::default() },
            Value::Object(kwargs) => Self { kwargs, ..Self::default() },
            Value::Array(args) => Self { args, ..Self::default() },
            Value::Null => Self::default(),
            single => Self { args: vec![single], ..Self::default() },
        })
    }

    /// The body that Celery writes for these arguments when nothing follows the task.
    pub fn write(&self) -> Vec<u8> {
        self.write_with(&Embed::default())
    }

    /// Puts these arguments in the place of those of a message, whatever follows the task. `secret` ones are not shown
    /// by tools.
    pub fn replace_in(&self, message: &mut Message, embed: &Embed, secret: bool) {
        message.body = self.write_with(embed).into();
        message.properties.content_type = Some(JSON.into());
        message.properties.content_encoding = Some("utf-8".into());
        message.headers.remove("compression");
        let (args, kwargs) = if secret {
            (MASKED_ARGS.to_owned(), MASKED_KWARGS.to_owned())
        } else {
            (args_repr(&self.args), kwargs_repr(&self.kwargs))
        };
        message.headers.insert("argsrepr".into(), args.into());
        message.headers.insert("kwargsrepr".into(), kwargs.into());
    }

    /// The body that Celery writes for these arguments.
    pub fn write_with(&self, embed: &Embed) -> Vec<u8> {
        serde_json::to_vec(&(&self.args, &self.kwargs, embed)).expect("JSON values and texts are JSON")
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
