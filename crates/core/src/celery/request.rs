//! A message as the request that a task runs for: everything that its headers say, read when it is asked for.
//!
//! What every execution needs is in [`TaskHeaders`](super::TaskHeaders); the rest is read here, leniently, so that a
//! header that is odd and not needed stops nothing.

use std::time::Duration;

use super::options::seconds;
use crate::broker::message::{Message, Table, Value};

/// The headers that Celery itself writes. All others are the caller's own.
const CELERY: [&str; 20] = [
    "lang",
    "task",
    "id",
    "shadow",
    "eta",
    "expires",
    "group",
    "group_index",
    "retries",
    "timelimit",
    "root_id",
    "parent_id",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "ignore_result",
    "replaced_task_nesting",
    "stamped_headers",
    "stamps",
    "compression",
];

/// The request of a task: a view of its message.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a>(pub &'a Message);

impl<'a> Request<'a> {
    /// The request that came in this message.
    pub fn of(message: &'a Message) -> Self {
        Self(message)
    }

    /// The task's name; empty where there is none.
    pub fn task(self) -> &'a str {
        self.0.header("task").unwrap_or_default()
    }

    /// The task id; empty where there is none.
    pub fn id(self) -> &'a str {
        self.0.header("id").unwrap_or_default()
    }

    /// The first task of the workflow: this one where the message names none.
    pub fn root_id(self) -> &'a str {
        self.text("root_id").unwrap_or_else(|| self.id())
    }

    /// The task that made the call.
    pub fn parent_id(self) -> Option<&'a str> {
        self.text("parent_id")
    }

    /// The group that it is a member of.
    pub fn group(self) -> Option<&'a str> {
        self.text("group")
    }

    /// Its place in the group.
    pub fn group_index(self) -> Option<i64> {
        self.0.headers.get("group_index").and_then(Value::as_i64)
    }

    /// How many times it was retried.
    pub fn retries(self) -> u32 {
        self.count("retries")
    }

    /// The hard and the soft time limit. Zero is no limit, as in Celery.
    pub fn time_limits(self) -> (Option<Duration>, Option<Duration>) {
        let Some(Value::Array(limits)) = self.0.headers.get("timelimit") else { return (None, None) };
        let limit = |n: usize| limits.get(n).and_then(duration).filter(|limit| !limit.is_zero());
        (limit(0), limit(1))
    }

    /// Another name for tools to show.
    pub fn shadow(self) -> Option<&'a str> {
        self.text("shadow")
    }

    /// The positional arguments as tools show them.
    pub fn argsrepr(self) -> Option<&'a str> {
        self.text("argsrepr")
    }

    /// The keyword arguments as tools show them.
    pub fn kwargsrepr(self) -> Option<&'a str> {
        self.text("kwargsrepr")
    }

    /// The process that made the call first.
    pub fn origin(self) -> Option<&'a str> {
        self.text("origin")
    }

    /// The instant that it was to wait for, as the message has it.
    pub fn eta(self) -> Option<&'a str> {
        self.text("eta")
    }

    /// The end of life, as the message has it.
    pub fn expires(self) -> Option<&'a str> {
        self.text("expires")
    }

    /// Whether the caller wants no result; `None` where the task decides.
    pub fn ignore_result(self) -> Option<bool> {
        match self.0.headers.get("ignore_result") {
            Some(Value::Bool(ignore)) => Some(*ignore),
            _ => None,
        }
    }

    /// How many times a task replaced another one to come to this.
    pub fn replaced_task_nesting(self) -> u32 {
        self.count("replaced_task_nesting")
    }

    /// The names of its stamps.
    pub fn stamped_headers(self) -> impl Iterator<Item = &'a str> {
        let names = match self.0.headers.get("stamped_headers") {
            Some(Value::Array(names)) => names.as_slice(),
            _ => &[],
        };
        names.iter().filter_map(Value::as_str)
    }

    /// A stamp's value.
    pub fn stamp(self, name: &str) -> Option<&'a Value> {
        match self.0.headers.get("stamps") {
            Some(Value::Table(stamps)) => stamps.get(name),
            _ => None,
        }
    }

    /// Where results go with the backend `rpc`.
    pub fn reply_to(self) -> Option<&'a str> {
        self.0.properties.reply_to.as_deref().filter(|queue| !queue.is_empty())
    }

    /// What a result of `rpc` is found by: the task id where the message names nothing else.
    pub fn correlation_id(self) -> &'a str {
        self.0.properties.correlation_id.as_deref().unwrap_or_else(|| self.id())
    }

    /// The message that the request came in.
    pub fn message(self) -> &'a Message {
        self.0
    }

    /// The priority.
    pub fn priority(self) -> Option<u8> {
        self.0.properties.priority
    }

    /// Every header.
    pub fn headers(self) -> &'a Table {
        &self.0.headers
    }

    /// The headers of the caller's own, without what a broker adds.
    pub fn own_headers(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let own = |name: &str| {
            !CELERY.contains(&name)
                && !name.starts_with("x-death")
                && !name.starts_with("x-first-death")
                && !name.starts_with("x-last-death")
                && name != "x-delivery-count"
        };
        self.0.headers.iter().map(|(name, value)| (name.as_str(), value)).filter(move |(name, _)| own(name))
    }

    fn text(self, name: &str) -> Option<&'a str> {
        self.0.header(name).filter(|text| !text.is_empty())
    }

    fn count(self, name: &str) -> u32 {
        let count = self.0.headers.get(name).and_then(Value::as_i64);
        count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
    }
}

/// A number of seconds of any type.
fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::F64(number) => seconds(*number),
        Value::F32(number) => seconds((*number).into()),
        whole => whole.as_i64().map(|number| Duration::from_secs(u64::try_from(number).unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::celery::fixtures;

    #[test]
    fn every_header_of_a_captured_task_is_read() {
        let group = &fixtures::messages("group")[1];
        let request = Request::of(group);
        assert_eq!(request.task(), "add");
        assert_eq!((request.root_id(), request.parent_id()), (request.id(), None));
        assert_eq!(
            (request.group(), request.group_index()),
            (Some("f29ad88d-28ca-4d60-9af2-a7ac7957dd91"), Some(1))
        );
        assert_eq!((request.argsrepr(), request.kwargsrepr()), (Some("(3, 4)"), Some("{}")));
        assert_eq!((request.ignore_result(), request.replaced_task_nesting()), (Some(false), 0));
        assert_eq!(request.reply_to(), Some("01c6be51-662d-3801-8612-c18bd2068fab"));
        assert_eq!((request.correlation_id(), request.priority()), (request.id(), Some(0)));
        assert_eq!(request.own_headers().count(), 0);
        assert_eq!(request.time_limits(), (None, None));

        let stamped = &fixtures::messages("task-stamped")[0];
        assert_eq!(Request::of(stamped).stamped_headers().collect::<Vec<_>>(), ["tenant"]);
        assert_eq!(Request::of(stamped).stamp("tenant"), Some(&"t1".into()));

        let sent = &fixtures::messages("task-sendtask")[0];
        assert_eq!(Request::of(sent).ignore_result(), None);

        let limited = &fixtures::messages("task-time-limits")[0];
        let limits = (Some(Duration::from_secs(30)), Some(Duration::from_secs(20)));
        assert_eq!(Request::of(limited).time_limits(), limits);

        let retried = &fixtures::messages("task-retried-message")[0];
        assert_eq!(
            (Request::of(retried).retries(), Request::of(retried).parent_id()),
            (1, Some(Request::of(retried).id()))
        );
        assert_eq!(Request::of(retried).eta(), Some("2026-11-21T21:15:23.340454+00:00"));
    }

    #[test]
    fn the_callers_own_headers_are_those_that_celery_does_not_write() {
        let message = &fixtures::messages("task-custom-headers")[0];
        let own: Vec<&str> = Request::of(message).own_headers().map(|(name, _)| name).collect();
        assert!(!own.is_empty());
        assert!(own.iter().all(|name| !CELERY.contains(name)), "{own:?}");
    }

    #[test]
    fn odd_headers_are_read_as_if_they_were_not_there() {
        let mut message = Message::default();
        message.headers.insert("timelimit".into(), Value::Array(vec![Value::F64(1.5), "x".into()]));
        message.headers.insert("group".into(), Value::Str(String::new()));
        message.headers.insert("replaced_task_nesting".into(), Value::I32(-1));
        let request = Request::of(&message);
        assert_eq!(request.time_limits(), (Some(Duration::from_millis(1500)), None));
        assert_eq!((request.group(), request.replaced_task_nesting(), request.id()), (None, 0, ""));
    }
}
