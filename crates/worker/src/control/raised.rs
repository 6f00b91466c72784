//! What a command answers that went wrong, as Python writes its exceptions: `KeyError('no_such_method')`.

use postrider_core::celery::Exception;
use serde_json::{Value, json};

/// An exception that a command of Celery's worker would raise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Raised(Exception);

impl Raised {
    pub(super) fn key_error(key: &str) -> Self {
        Self::new("KeyError", key)
    }

    pub(super) fn value_error(text: &str) -> Self {
        Self::new("ValueError", text)
    }

    pub(super) fn type_error(text: &str) -> Self {
        Self::new("TypeError", text)
    }

    pub(super) fn attribute_error(text: &str) -> Self {
        Self::new("AttributeError", text)
    }

    pub(super) fn index_error(text: &str) -> Self {
        Self::new("IndexError", text)
    }

    pub(super) fn import_error(text: &str) -> Self {
        Self::new("ImportError", text)
    }

    fn new(kind: &str, text: &str) -> Self {
        Self(Exception::builtin(kind, text))
    }

    /// The exception as text.
    pub(super) fn repr(&self) -> String {
        self.0.repr()
    }
}

/// An answer that it went well.
pub(super) fn ok(text: impl Into<Value>) -> Value {
    json!({"ok": text.into()})
}

/// An answer that it did not.
pub(super) fn nok(text: impl Into<Value>) -> Value {
    json!({"error": text.into()})
}
