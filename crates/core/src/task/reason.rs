//! Why a run did not end well: for programs, for people, and as the exception that a Python client sees.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::celery::Exception;

/// The code of an error that nothing more is known about.
pub(super) const ERROR: &str = "error";
/// The code of a time limit that was passed.
const TIME_LIMIT: &str = "time_limit";
/// The module that exceptions without a Python class are shown in.
const MODULE: &str = "postrider";

/// A stable code for programs and a sentence for people. Neither may hold a code, a number or a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// For programs and metrics: lower case, underscores.
    pub code: String,
    /// For people.
    pub detail: String,
    /// When what the task was for runs out, where the task knows it better than the message's headers.
    pub not_after: Option<Timestamp>,
    /// What results and events show, where it is not `TaskError(code, detail)`.
    pub exception: Option<Box<Exception>>,
}

impl Reason {
    /// A reason from its two parts.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), not_after: None, exception: None }
    }

    /// What is known of a Rust error: the name of its type, which becomes the exception's class, and its text.
    pub fn of<E: std::error::Error + ?Sized>(error: &E) -> Self {
        let detail = error.to_string();
        let (module, kind) = type_path::<E>();
        let exception = Exception::new(kind, module, vec![detail.clone().into()]);
        Self::new(ERROR, detail).with(exception)
    }

    /// The soft time limit has passed.
    pub fn soft_time_limit() -> Self {
        Self::new(TIME_LIMIT, "the soft time limit has passed").with(Exception::soft_time_limit_exceeded())
    }

    /// The hard time limit has passed.
    pub fn time_limit(limit: Duration) -> Self {
        Self::new(TIME_LIMIT, format!("the time limit of {limit:?} has passed"))
            .with(Exception::time_limit_exceeded(limit))
    }

    /// The exception that results and events show.
    #[must_use]
    pub fn with(mut self, exception: Exception) -> Self {
        self.exception = Some(Box::new(exception));
        self
    }

    /// What results and events show: the exception that was given, or `TaskError(code, detail)`.
    pub fn exception(&self) -> Cow<'_, Exception> {
        if let Some(exception) = &self.exception {
            return Cow::Borrowed(exception);
        }
        let args = vec![self.code.clone().into(), self.detail.clone().into()];
        Cow::Owned(Exception::new("TaskError", MODULE, args))
    }

    /// Whether this is a time limit that was passed.
    pub(super) fn is_time_limit(&self) -> bool {
        self.code == TIME_LIMIT
    }

    /// Whether `name` is the code, the class, or the class with its module.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let of_class = self.exception.as_deref().is_some_and(|exception| {
            let (module, kind) = name.rsplit_once('.').unwrap_or(("", name));
            exception.kind == kind && (module.is_empty() || exception.module == module)
        });
        of_class || self.code == name
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

impl From<Exception> for Reason {
    /// An exception that the task chose itself; its text is what Python prints of it.
    fn from(exception: Exception) -> Self {
        Self::new(ERROR, exception.repr()).with(exception)
    }
}

/// The module with dots and the short name of a type: `std.io.error` and `Error`.
fn type_path<T: ?Sized>() -> (String, String) {
    let full = type_name::<T>();
    // What is generic or behind a reference is known by its outermost name.
    let plain = full.trim_start_matches('&').trim_start_matches("dyn ");
    let plain = plain.split(['<', ' ']).next().unwrap_or(plain);
    let (module, kind) = plain.rsplit_once("::").unwrap_or(("", plain));
    (module.replace("::", "."), kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_error_becomes_an_exception_of_its_types_short_name() {
        let error = "12x".parse::<i32>().unwrap_err();

        let exception = Reason::of(&error).exception().into_owned();

        assert_eq!((exception.kind.as_str(), exception.module.as_str()), ("ParseIntError", "core.num.error"));
        assert_eq!(exception.args, ["invalid digit found in string"]);
        assert_eq!(Reason::of(&error).to_string(), "invalid digit found in string (error)");
    }

    #[test]
    fn a_type_is_known_by_its_outermost_name() {
        assert_eq!(type_path::<std::io::Error>().1, "Error");
        assert_eq!(type_path::<Vec<std::io::Error>>().1, "Vec");
        assert_eq!(type_path::<dyn std::error::Error + Send>().1, "Error");
        assert_eq!(type_path::<u8>(), (String::new(), "u8".into()));
    }

    #[test]
    fn a_reason_without_an_exception_is_shown_with_its_code_and_its_text() {
        let exception = Reason::new("provider_down", "it is down").exception().into_owned();

        assert_eq!((exception.kind.as_str(), exception.module.as_str()), ("TaskError", "postrider"));
        assert_eq!(exception.args, ["provider_down", "it is down"]);
    }
}
