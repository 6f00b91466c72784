//! Celery's message protocol, version 2: the headers and the body of a task message.
//!
//! Source: <https://docs.celeryq.dev/en/stable/internals/protocol.html>, with what Celery 5.7 was seen to write where
//! that page is silent. A body stays bytes until the task that is to run is known.

mod argument;
mod arguments;
mod body;
mod call;
mod content;
pub mod control;
mod embed;
mod envelope;
pub mod event;
mod exception;
#[cfg(test)]
pub(crate) mod fixtures;
mod headers;
mod legacy;
mod msgpack;
mod newtype;
mod options;
pub mod repr;
mod request;
mod serializer;
mod tagged;

pub use arguments::ArgumentsError;
pub use body::{Arguments, Body};
pub use call::Call;
pub use content::BodyError;
pub use embed::Embed;
pub use envelope::Envelope;
pub use exception::Exception;
pub use headers::{HeaderError, TaskHeaders, format_instant};
pub use legacy::modern;
pub use options::{Expires, Options};
pub use request::Request;
pub use serializer::Serializer;
pub use tagged::Tagged;
