//! A call as a value: Celery's signature object (message protocol 2, section 1.4 of the contract).
//!
//! It names a task, its arguments and its options, and travels inside messages: as a link, as a step of a chain, as the
//! body of a chord, or as an argument. Groups, chains and chords are calls too, of `celery.group`, `celery.chain` and
//! `celery.chord`; [`crate::canvas`] takes them apart. Fields that are not known here are kept.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// The name under which a [`Deserializer`] is asked for a JSON value as it is, tags included.
pub(super) const AS_IT_IS: &str = "postrider as it is";

/// A call of a task that may be known to other programs only.
///
/// ```
/// # use postrider_core::celery::Call;
/// let call = Call::new("shop.ship").arg(42).kwarg("express", true).option("queue", "shop");
/// assert_eq!(serde_json::to_value(&call)?["args"], serde_json::json!([42]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// The task's name.
    pub task: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// The options of the call, by the names of `apply_async`.
    pub options: Map<String, Value>,
    /// `group`, `chain` or `chord` for those, else nothing.
    pub subtask_type: Option<String>,
    /// Whether it takes no result of the step before it.
    pub immutable: bool,
    /// Fields that are not known here.
    pub rest: Map<String, Value>,
}

impl Call {
    /// A call without arguments.
    pub fn new(task: impl Into<String>) -> Self {
        Self { task: task.into(), ..Self::default() }
    }

    /// One more positional argument.
    #[must_use]
    pub fn arg(mut self, value: impl Into<Value>) -> Self {
        self.args.push(value.into());
        self
    }

    /// A keyword argument.
    #[must_use]
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.kwargs.insert(name.into(), value.into());
        self
    }

    /// An option, by the name that it has in `apply_async`.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// The same call that takes no result of the step before it, Python's `si()`.
    #[must_use]
    pub fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// The positional arguments when a result is handed on: it comes first, unless the call is immutable.
    #[must_use]
    pub fn args_with(&self, handed_on: &[Value]) -> Vec<Value> {
        if self.immutable { self.args.clone() } else { [handed_on, &self.args].concat() }
    }

    /// The id that the task will have, if it was given one.
    pub fn task_id(&self) -> Option<&str> {
        self.options.get("task_id")?.as_str()
    }

    /// The calls in an option that holds one call or a list of them, such as `link`.
    pub fn calls(&self, option: &str) -> Vec<Self> {
        let read = |value: &Value| serde_json::from_value(value.clone()).ok();
        match self.options.get(option) {
            Some(Value::Array(calls)) => calls.iter().filter_map(read).collect(),
            Some(call) => read(call).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Adds a call to an option that holds a list of them; one that is there already is not added.
    pub fn push_call(&mut self, option: &str, call: &Self) {
        let call = Value::from(call);
        let calls = self.options.entry(option).or_insert_with(|| Value::Array(Vec::new()));
        if !calls.is_array() {
            *calls = Value::Array(vec![calls.take()]);
        }
        if let Value::Array(calls) = calls
            && !calls.contains(&call)
        {
            calls.push(call);
        }
    }

    /// A call from its fields; `Err` names the field that cannot be read.
    fn from_fields(fields: Map<String, Value>) -> Result<Self, &'static str> {
        let mut call = Self::default();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("task", Value::String(task)) => call.task = task,
                ("args", Value::Array(args)) => call.args = args,
                ("kwargs", Value::Object(kwargs)) => call.kwargs = kwargs,
                ("options", Value::Object(options)) => call.options = options,
                ("subtask_type", Value::String(kind)) => call.subtask_type = Some(kind),
                ("immutable", Value::Bool(immutable)) => call.immutable = immutable,
                ("args" | "kwargs" | "options" | "subtask_type" | "immutable", Value::Null) => {}
                ("task", _) => return Err("task"),
                ("args", _) => return Err("args"),
                ("kwargs", _) => return Err("kwargs"),
                ("options", _) => return Err("options"),
                ("subtask_type", _) => return Err("subtask_type"),
                ("immutable", _) => return Err("immutable"),
                (_, value) => {
                    call.rest.insert(name, value);
                }
            }
        }
        if call.task.is_empty() { Err("task") } else { Ok(call) }
    }
}

impl From<Call> for Value {
    fn from(call: Call) -> Self {
        let known = [
            ("task", Self::String(call.task)),
            ("args", Self::Array(call.args)),
            ("kwargs", Self::Object(call.kwargs)),
            ("options", Self::Object(call.options)),
            ("subtask_type", call.subtask_type.map_or(Self::Null, Self::String)),
            ("immutable", Self::Bool(call.immutable)),
        ];
        let known = known.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self::Object(known.chain(call.rest).collect())
    }
}

impl From<&Call> for Value {
    fn from(call: &Call) -> Self {
        call.clone().into()
    }
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6 + self.rest.len()))?;
        map.serialize_entry("task", &self.task)?;
        map.serialize_entry("args", &self.args)?;
        map.serialize_entry("kwargs", &self.kwargs)?;
        map.serialize_entry("options", &self.options)?;
        map.serialize_entry("subtask_type", &self.subtask_type)?;
        map.serialize_entry("immutable", &self.immutable)?;
        for (name, value) in &self.rest {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = deserializer.deserialize_newtype_struct(AS_IT_IS, Fields)?;
        Self::from_fields(fields).map_err(|field| {
            de::Error::custom(format_args!("missing field or wrong type: `{field}` of a signature"))
        })
    }
}

/// Reads an object without looking into its values.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a signature")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        Map::deserialize(deserializer)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Map::deserialize(de::value::MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_written_as_it_was_read_with_what_is_not_known_here() {
        let celery = json!({
            "task": "add", "args": [4], "kwargs": {"z": null}, "options": {"task_id": "1", "reply_to": "r"},
            "subtask_type": null, "immutable": false, "chord_size": 2,
        });

        let call: Call = serde_json::from_value(celery.clone()).unwrap();

        assert_eq!((call.task.as_str(), call.task_id(), call.immutable), ("add", Some("1"), false));
        assert_eq!(serde_json::to_value(&call).unwrap(), celery);
        assert_eq!(Value::from(call), celery);
    }

    #[test]
    fn what_is_left_out_is_empty_and_what_has_a_wrong_type_is_named() {
        let call: Call = serde_json::from_value(json!({"task": "add", "args": null})).unwrap();
        assert_eq!(call, Call::new("add"));

        for (wrong, field) in [
            (json!({"args": []}), "task"),
            (json!({"task": ""}), "task"),
            (json!({"task": "add", "args": {}}), "args"),
            (json!({"task": "add", "kwargs": []}), "kwargs"),
            (json!({"task": "add", "options": 1}), "options"),
            (json!({"task": "add", "immutable": "no"}), "immutable"),
        ] {
            let error = serde_json::from_value::<Call>(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("`{field}`")), "{error}");
        }
        assert!(serde_json::from_value::<Call>(json!("add")).is_err());
    }

    #[test]
    fn a_result_comes_before_the_arguments_unless_the_call_is_immutable() {
        let call = Call::new("add").arg(4);
        assert_eq!(call.args_with(&[json!(3)]), [json!(3), json!(4)]);
        assert_eq!(call.immutable().args_with(&[json!(3)]), [json!(4)]);
    }

    #[test]
    fn a_link_is_added_once_to_what_may_be_a_single_call() {
        let (first, second) = (Call::new("first"), Call::new("second"));
        let mut call = Call::new("add").option("link", Value::from(&first));

        call.push_call("link", &second);
        call.push_call("link", &second);

        assert_eq!(call.calls("link"), [first, second]);
        assert_eq!(call.calls("link_error"), []);
    }
}
