//! A Python exception as it travels: class, module, arguments and traceback text.
//!
//! What fails here is shown to Python as an exception, so that `AsyncResult.get()` raises a class that a shop can catch
//! (Celery 5.7, `Backend.prepare_exception` and `exception_to_python`). Python looks the class up by module and name; one
//! that it cannot find becomes a stand-in of that name. The texts must hold no secret: they go to the result store, to
//! events and to logs.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::repr::literal;

/// The module of Python's own classes.
const BUILTINS: &str = "builtins";
/// The module of Celery's classes.
const CELERY: &str = "celery.exceptions";
/// The module of the process pool's classes.
const BILLIARD: &str = "billiard.exceptions";

/// What went wrong, as a Python exception.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// The class, with the names of the classes around it: `ValueError`, `Gateway.Down`.
    pub kind: String,
    /// The module that Python finds the class in; empty where nobody said.
    pub module: String,
    /// The arguments that Python builds it anew with.
    pub args: Vec<Value>,
    /// The text of a traceback, for people.
    pub traceback: Option<String>,
}

impl Exception {
    /// An exception of that class with those arguments.
    pub fn new(kind: impl Into<String>, module: impl Into<String>, args: Vec<Value>) -> Self {
        Self { kind: kind.into(), module: module.into(), args, traceback: None }
    }

    /// One of Python's own classes, with one text: `ValueError('bad code')`.
    pub fn builtin(kind: &str, text: impl Into<String>) -> Self {
        Self::new(kind, BUILTINS, vec![Value::String(text.into())])
    }

    /// No task of that name is registered.
    pub fn not_registered(task: &str) -> Self {
        Self::new("NotRegistered", CELERY, vec![task.into()])
    }

    /// The hard time limit has passed.
    pub fn time_limit_exceeded(limit: Duration) -> Self {
        Self::new("TimeLimitExceeded", BILLIARD, vec![seconds(limit)])
    }

    /// The soft time limit has passed.
    pub fn soft_time_limit_exceeded() -> Self {
        Self::new("SoftTimeLimitExceeded", BILLIARD, Vec::new())
    }

    /// The retries are used up, and the task named no exception of its own.
    pub fn max_retries_exceeded(text: impl Into<String>) -> Self {
        Self::new("MaxRetriesExceededError", CELERY, vec![Value::String(text.into())])
    }

    /// The task was taken back: `expired`, `revoked` or `terminated`.
    pub fn task_revoked(reason: &str) -> Self {
        Self::new("TaskRevokedError", CELERY, vec![reason.into()])
    }

    /// What ran the task ended under it.
    pub fn worker_lost(text: impl Into<String>) -> Self {
        Self::new("WorkerLostError", BILLIARD, vec![Value::String(text.into())])
    }

    /// The task refused its message.
    pub fn reject(reason: impl Into<Value>, requeue: bool) -> Self {
        Self::new("Reject", CELERY, vec![reason.into(), requeue.into()])
    }

    /// The task is tried again, without an exception of its own: `Retry in 180s`.
    pub fn retry(text: impl Into<String>) -> Self {
        Self::new("Retry", CELERY, vec![Value::String(text.into())])
    }

    /// Whether it says that a task is tried again, and not why.
    pub fn is_retry(&self) -> bool {
        self.kind == "Retry" && self.module == CELERY
    }

    /// A member of a chord failed, or its results cannot be put together.
    pub fn chord_error(text: impl Into<String>) -> Self {
        Self::new("ChordError", CELERY, vec![Value::String(text.into())])
    }

    /// The same with the last lines of a Python traceback: where it was raised, then the class and the text.
    #[must_use]
    pub fn raised_in(self, place: &str) -> Self {
        let module = match self.module.as_str() {
            "" | BUILTINS => String::new(),
            module => format!("{module}."),
        };
        let text = self.message();
        let colon = if text.is_empty() { "" } else { ": " };
        let traceback =
            format!("Traceback (most recent call last):\n  {place}\n{module}{}{colon}{text}\n", self.kind);
        Self { traceback: Some(traceback), ..self }
    }

    /// The object that a result holds.
    pub fn to_value(&self) -> Value {
        let module = if self.module.is_empty() { Value::Null } else { self.module.as_str().into() };
        json!({"exc_type": self.kind, "exc_message": self.args, "exc_module": module})
    }

    /// Reads the object that a result holds; `None` where it is none.
    pub fn from_value(value: &Value) -> Option<Self> {
        let object: &Map<String, Value> = value.as_object()?;
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let args = match object.get("exc_message") {
            None => Vec::new(),
            Some(Value::Array(args)) => args.clone(),
            // Celery before 4.3 kept the text alone.
            Some(single) => vec![single.clone()],
        };
        Some(Self::new(text("exc_type")?, text("exc_module").unwrap_or_default(), args))
    }

    /// What Python's `repr()` says: `ValueError('bad code', '123456')`.
    pub fn repr(&self) -> String {
        match (self.kind.as_str(), &self.args[..]) {
            ("NotRegistered", [_]) if self.module == CELERY => {
                format!("Task of kind {} never registered, please make sure it's imported.", self.message())
            }
            ("Reject", [reason, requeue]) if self.module == CELERY => {
                format!("reject requeue={}: {}", literal(requeue), plain(reason))
            }
            _ => {
                let name = self.kind.rsplit('.').next().unwrap_or_default();
                let args: Vec<String> = self.args.iter().map(literal).collect();
                format!("{name}({})", args.join(", "))
            }
        }
    }

    /// What Python's `str()` says: the one argument, or all of them as a tuple.
    pub fn message(&self) -> String {
        let list = || self.args.iter().map(literal).collect::<Vec<_>>().join(", ");
        match (self.kind.as_str(), &self.args[..]) {
            ("TimeLimitExceeded" | "SoftTimeLimitExceeded", args) if self.module == BILLIARD => {
                format!("{}({}{})", self.kind, list(), if args.len() == 1 { "," } else { "" })
            }
            (_, []) => String::new(),
            ("KeyError" | "NotRegistered", [key]) => literal(key),
            (_, [single]) => plain(single),
            _ => format!("({})", list()),
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repr())
    }
}

/// Whole seconds as an integer, as a caller would have written them.
fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 { duration.as_secs().into() } else { duration.as_secs_f64().into() }
}

/// Python's `str()` of a value: text as it is, the rest as its `repr()`.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => literal(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_those_that_celery_stores() {
        let cases = [
            (
                Exception::new("ValueError", "builtins", vec!["bad code".into(), "123456".into()]),
                json!({"exc_type": "ValueError", "exc_message": ["bad code", "123456"], "exc_module": "builtins"}),
            ),
            (
                Exception::not_registered("no.such.task"),
                json!({"exc_type": "NotRegistered", "exc_message": ["no.such.task"], "exc_module": "celery.exceptions"}),
            ),
            (
                Exception::time_limit_exceeded(Duration::from_secs(2)),
                json!({"exc_type": "TimeLimitExceeded", "exc_message": [2], "exc_module": "billiard.exceptions"}),
            ),
            (
                Exception::soft_time_limit_exceeded(),
                json!({"exc_type": "SoftTimeLimitExceeded", "exc_message": [], "exc_module": "billiard.exceptions"}),
            ),
            (
                Exception::task_revoked("expired"),
                json!({"exc_type": "TaskRevokedError", "exc_message": ["expired"], "exc_module": "celery.exceptions"}),
            ),
            (
                Exception::reject("no reason", false),
                json!({"exc_type": "Reject", "exc_message": ["no reason", false], "exc_module": "celery.exceptions"}),
            ),
            (
                Exception::worker_lost("Worker exited prematurely: signal 9 (SIGKILL) Job: 17."),
                json!({
                    "exc_type": "WorkerLostError",
                    "exc_message": ["Worker exited prematurely: signal 9 (SIGKILL) Job: 17."],
                    "exc_module": "billiard.exceptions",
                }),
            ),
        ];
        for (exception, object) in cases {
            assert_eq!(exception.to_value(), object);
            assert_eq!(Exception::from_value(&object), Some(exception));
        }
    }

    #[test]
    fn objects_of_other_writers_are_read_as_far_as_they_go() {
        let old = json!({"exc_type": "ValueError", "exc_message": "boom", "exc_module": null});
        assert_eq!(Exception::from_value(&old), Some(Exception::new("ValueError", "", vec!["boom".into()])));
        for other in [json!(null), json!("boom"), json!({}), json!({"exc_type": 1})] {
            assert_eq!(Exception::from_value(&other), None, "{other}");
        }
        let nowhere = Exception::new("Odd", "", Vec::new());
        assert_eq!(nowhere.to_value()["exc_module"], Value::Null);
    }

    #[test]
    fn texts_are_pythons() {
        let two = Exception::new("ValueError", "builtins", vec!["bad code".into(), "123456".into()]);
        let hard = Exception::time_limit_exceeded(Duration::from_millis(2500));
        for (exception, repr, message) in [
            (two, "ValueError('bad code', '123456')", "('bad code', '123456')"),
            (Exception::builtin("ValueError", "temporary"), "ValueError('temporary')", "temporary"),
            (Exception::builtin("KeyError", "x"), "KeyError('x')", "'x'"),
            (Exception::new("Gateway.Down", "app", Vec::new()), "Down()", ""),
            (Exception::new("ValueError", "builtins", vec![json!(3)]), "ValueError(3)", "3"),
            (hard, "TimeLimitExceeded(2.5)", "TimeLimitExceeded(2.5,)"),
            (Exception::soft_time_limit_exceeded(), "SoftTimeLimitExceeded()", "SoftTimeLimitExceeded()"),
            (
                Exception::reject("no reason", false),
                "reject requeue=False: no reason",
                "('no reason', False)",
            ),
            (
                Exception::not_registered("no.such.task"),
                "Task of kind 'no.such.task' never registered, please make sure it's imported.",
                "'no.such.task'",
            ),
        ] {
            assert_eq!((exception.repr().as_str(), exception.message().as_str()), (repr, message));
        }
    }

    #[test]
    fn a_traceback_ends_as_pythons_does() {
        let own = Exception::builtin("ValueError", "temporary").raised_in("task `flaky`");
        let soft = Exception::soft_time_limit_exceeded().raised_in("task `slow`");

        assert_eq!(
            own.traceback.as_deref(),
            Some("Traceback (most recent call last):\n  task `flaky`\nValueError: temporary\n")
        );
        let end = "billiard.exceptions.SoftTimeLimitExceeded: SoftTimeLimitExceeded()\n";
        assert!(soft.traceback.unwrap().ends_with(end));
    }
}
