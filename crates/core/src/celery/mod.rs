//! Celery's message protocol, version 2: the headers and the body of a task message.
//!
//! Source: <https://docs.celeryq.dev/en/stable/internals/protocol.html>, with what Celery 5.7 was seen to write where
//! that page is silent. A body stays bytes until the task that is to run is known.

mod arguments;
mod body;
mod headers;

pub use arguments::ArgumentsError;
pub use body::{Arguments, BodyError};
pub use headers::{HeaderError, TaskHeaders, format_instant};
