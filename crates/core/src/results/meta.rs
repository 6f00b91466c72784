//! What is known of a task: the object that a result store keeps and that a reply carries.
//!
//! Celery calls it the task's meta (Celery 5.7, `Backend._get_result_meta`).

mod wire;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use wire::Wire;

use super::{ResultTree, State};
use crate::broker::message::Message;
use crate::celery::Exception;

/// What is known of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// The task's id.
    pub id: String,
    /// How far it has got.
    pub state: State,
    /// The value, the object of an exception, or what the state holds.
    pub result: Value,
    /// The traceback of an exception, as text.
    pub traceback: Option<String>,
    /// The tasks that it published; `None` where the writer did not run the task.
    pub children: Option<Vec<ResultTree>>,
    /// When it came to its end.
    pub date_done: Option<Timestamp>,
    /// The group that it is in.
    pub group_id: Option<String>,
    /// The task that published it.
    pub parent_id: Option<String>,
    /// More about the call, where `result_extended` asks for it.
    pub extended: Option<Extended>,
}

/// The call that a result is of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extended {
    /// The task's name.
    pub name: String,
    /// The positional arguments; of a sensitive task, stars.
    pub args: Value,
    /// The keyword arguments; of a sensitive task, stars.
    pub kwargs: Value,
    /// The node that ran it.
    pub worker: String,
    /// How many times it had been tried before.
    pub retries: u32,
    /// The routing key that it came by.
    pub queue: String,
    /// The stamps by their names; empty where the task has none.
    pub stamps: Map<String, Value>,
}

impl Meta {
    /// A task that returned a value.
    pub fn success(id: impl Into<String>, value: Value, now: Timestamp) -> Self {
        Self::of(id.into(), State::Success, value, Some(now))
    }

    /// A task that failed for good.
    pub fn failure(id: impl Into<String>, exception: &Exception, now: Timestamp) -> Self {
        let traceback = exception.traceback.clone();
        Self { traceback, ..Self::of(id.into(), State::Failure, exception.to_value(), Some(now)) }
    }

    /// A task that will be tried again, because of an exception or just so: then the result is null, as in Celery.
    pub fn retry(id: impl Into<String>, exception: Option<&Exception>) -> Self {
        let traceback = exception.and_then(|exception| exception.traceback.clone());
        let because = exception.filter(|exception| !exception.is_retry());
        let result = because.map_or(Value::Null, Exception::to_value);
        Self { traceback, ..Self::of(id.into(), State::Retry, result, None) }
    }

    /// A task that runs.
    pub fn started(id: impl Into<String>, pid: u32, hostname: &str) -> Self {
        Self::of(id.into(), State::Started, json!({"pid": pid, "hostname": hostname}), None)
    }

    /// A task in a state of its own, such as `PROGRESS`, with what belongs to it: Celery's `update_state`.
    pub fn custom(id: impl Into<String>, state: &str, value: Value) -> Self {
        Self::of(id.into(), State::Custom(state.into()), value, None)
    }

    /// A task that was taken back: `expired`, `revoked` or `terminated`.
    pub fn revoked(id: impl Into<String>, reason: &str, now: Timestamp) -> Self {
        Self::of(id.into(), State::Revoked, Exception::task_revoked(reason).to_value(), Some(now))
    }

    /// A group whose members have returned these values, the last of them then.
    pub(super) fn joined(id: impl Into<String>, values: Vec<Value>, date_done: Option<Timestamp>) -> Self {
        Self::of(id.into(), State::Success, Value::Array(values), date_done)
    }

    fn of(id: String, state: State, result: Value, date_done: Option<Timestamp>) -> Self {
        Self {
            id,
            state,
            result,
            traceback: None,
            children: Some(Vec::new()),
            date_done,
            group_id: None,
            parent_id: None,
            extended: None,
        }
    }

    /// With the group and the parent that the task's message names.
    #[must_use]
    pub fn within(mut self, message: &Message) -> Self {
        let text = |name: &str| message.header(name).filter(|id| !id.is_empty()).map(str::to_owned);
        self.group_id = text("group");
        self.parent_id = text("parent_id");
        self
    }

    /// With the tasks that were published from inside the task.
    #[must_use]
    pub fn with_children(mut self, children: Vec<ResultTree>) -> Self {
        self.children = Some(children);
        self
    }

    /// With more about the call.
    #[must_use]
    pub fn with_extended(mut self, extended: Option<Extended>) -> Self {
        self.extended = extended;
        self
    }

    /// The exception of a state that has one.
    pub fn exception(&self) -> Option<Exception> {
        if !self.state.is_exception() {
            return None;
        }
        let exception = Exception::from_value(&self.result)?;
        Some(Exception { traceback: self.traceback.clone(), ..exception })
    }

    /// Reads the bytes of a result. Another serializer than JSON, or no result at all, is `None`.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Wire::into_meta)
    }

    /// The bytes as Celery writes them.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("every field has a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_and_the_parent_come_from_the_message() {
        let headers = [("group", "g"), ("parent_id", "p")].map(|(name, id)| (name.to_owned(), id.into()));
        let message = Message { headers: headers.into(), ..Message::default() };

        let meta = Meta::started("a", 7, "worker1@host").within(&message);

        assert_eq!((meta.group_id.as_deref(), meta.parent_id.as_deref()), (Some("g"), Some("p")));
        assert_eq!(meta.result, json!({"pid": 7, "hostname": "worker1@host"}));
    }
}
