//! The serializers that are read and written, by the names that Celery's settings give them.

use serde::{Deserialize, Serialize};

use super::msgpack;

/// A serializer, as Celery's `task_serializer` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Serializer {
    /// JSON.
    #[default]
    Json,
    /// Msgpack.
    Msgpack,
}

impl Serializer {
    /// The one that a content type names. Messages written by hand leave it out and are JSON.
    pub(super) fn of(content_type: Option<&str>) -> Option<Self> {
        match content_type {
            None | Some("application/json") => Some(Self::Json),
            Some("application/x-msgpack" | "application/msgpack") => Some(Self::Msgpack),
            Some(_) => None,
        }
    }

    /// The content type and the content encoding that kombu writes with it.
    pub(super) fn content(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application/json", "utf-8"),
            Self::Msgpack => ("application/x-msgpack", "binary"),
        }
    }

    /// A body.
    pub(super) fn write(self, value: &serde_json::Value) -> Vec<u8> {
        match self {
            Self::Json => value.to_string().into_bytes(),
            Self::Msgpack => msgpack::write(value),
        }
    }
}
