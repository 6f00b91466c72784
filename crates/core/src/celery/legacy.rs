//! Messages of protocol 1, whose body is an object with everything in it, made into messages of protocol 2.
//!
//! Celery 5 still writes them with `task_protocol = 1`, and still reads them. What is made of one has the same properties,
//! so that a retry, a dead letter and a replay are those of any other task.

use serde_json::{Map, Value};

use super::body::Arguments;
use super::content;
use super::embed::Embed;
use super::envelope::header;
use super::headers::JSON;
use super::repr::{args_repr, kwargs_repr};
use crate::broker::message::{Message, Value as Header};

/// What goes from the body into the headers. A header of the same name counts more.
const HEADERS: [&str; 14] = [
    "task",
    "id",
    "root_id",
    "parent_id",
    "group",
    "group_index",
    "shadow",
    "eta",
    "expires",
    "retries",
    "timelimit",
    "argsrepr",
    "kwargsrepr",
    "origin",
];

/// The message of protocol 2 that says the same; `None` for a message that is not of protocol 1.
///
/// For a message of protocol 2 this costs a look at the first byte of its body.
pub fn modern(message: &Message) -> Option<Message> {
    if message.headers.contains_key("task") && message.body.first() != Some(&b'{') {
        return None;
    }
    let mut fields: Map<String, Value> = content::read(message).ok()?;
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
    let args = take("args").map_or(Some(Vec::new()), |args| match args {
        Value::Array(args) => Some(args),
        _ => None,
    })?;
    let kwargs = take("kwargs").map_or(Some(Map::new()), |kwargs| match kwargs {
        Value::Object(kwargs) => Some(kwargs),
        _ => None,
    })?;
    let embed =
        ["callbacks", "errbacks", "chord"].map(|name| (name.to_owned(), take(name).unwrap_or_default()));
    let embed: Embed = serde_json::from_value(Value::Object(Map::from_iter(embed))).ok()?;
    let mut next = message.clone();
    let mut set = |name: &str, value: Option<Value>| {
        let given = next.headers.get(name).is_some_and(|given| *given != Header::Void);
        if let Some(value) = value.filter(|_| !given) {
            next.headers.insert(name.to_owned(), header(&value));
        }
    };
    set("group", take("taskset"));
    for name in HEADERS {
        set(name, take(name));
    }
    set("argsrepr", Some(args_repr(&args).into()));
    set("kwargsrepr", Some(kwargs_repr(&kwargs).into()));
    next.headers.remove("compression");
    next.properties.content_type = Some(JSON.into());
    next.properties.content_encoding = Some("utf-8".into());
    next.body = Arguments { args, kwargs }.write_with(&embed).into();
    next.headers.contains_key("task").then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::celery::{Body, TaskHeaders};

    fn message(body: &str) -> Message {
        Message { body: body.to_owned().into(), ..Message::default() }
    }

    #[test]
    fn a_message_of_protocol_1_says_the_same_in_protocol_2() {
        let old = message(
            r#"{"task": "add", "id": "1", "args": [2], "kwargs": {"y": 3}, "retries": 1, "eta": "2030-01-01T00:00:00",
                "expires": null, "utc": true, "timelimit": [30, null], "taskset": "g", "chord": {"task": "tsum"},
                "callbacks": [{"task": "noop"}], "errbacks": null}"#,
        );

        let new = modern(&old).unwrap();

        let headers = TaskHeaders::read(&new).unwrap();
        assert_eq!((headers.task.as_str(), headers.id.as_str(), headers.retries), ("add", "1", 1));
        assert_eq!(headers.eta, Some("2030-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!((new.header("group"), new.header("argsrepr")), (Some("g"), Some("(2,)")));
        assert_eq!(new.headers["timelimit"], Header::Array(vec![Header::I32(30), Header::Void]));
        let body = Body::read(&new).unwrap();
        assert_eq!(body.arguments.args, [2]);
        assert_eq!(body.arguments.kwargs["y"], 3);
        assert_eq!((body.embed.callbacks.len(), body.embed.chord.unwrap().task.as_str()), (1, "tsum"));
        assert_eq!(modern(&new), None);
    }

    #[test]
    fn headers_count_more_than_a_body_that_has_both() {
        let mut both = message(r#"{"task": "old", "id": "1", "args": [], "kwargs": {}}"#);
        both.headers.insert("task".into(), "add".into());
        assert_eq!(modern(&both).unwrap().header("task"), Some("add"));
        assert_eq!(modern(&both).unwrap().header("id"), Some("1"));
    }

    #[test]
    fn what_is_not_of_protocol_1_is_left_as_it_is() {
        for body in
            ["[[2, 3], {}, {}]", "{nope", "", "{\"args\": []}", "{\"task\": \"add\", \"args\": 1}", "\"add\""]
        {
            assert_eq!(modern(&message(body)), None, "{body}");
        }
    }
}
