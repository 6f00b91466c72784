//! A meta's bytes. Reading takes what other programs leave out or add; writing goes field by field in Celery's order, the
//! status first, which `store.lua` relies on.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::super::{ResultTree, State};
use super::{Extended, Meta};
use crate::celery::format_instant;

impl Serialize for Meta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &self.state)?;
        map.serialize_entry("result", &self.result)?;
        map.serialize_entry("traceback", &self.traceback)?;
        map.serialize_entry("children", &self.children)?;
        map.serialize_entry("date_done", &self.date_done.map(format_instant))?;
        if let Some(group) = &self.group_id {
            map.serialize_entry("group_id", group)?;
        }
        if let Some(parent) = &self.parent_id {
            map.serialize_entry("parent_id", parent)?;
        }
        if let Some(call) = &self.extended {
            map.serialize_entry("name", &call.name)?;
            map.serialize_entry("args", &call.args)?;
            map.serialize_entry("kwargs", &call.kwargs)?;
            map.serialize_entry("worker", &call.worker)?;
            map.serialize_entry("retries", &call.retries)?;
            map.serialize_entry("queue", &call.queue)?;
            if !call.stamps.is_empty() {
                map.serialize_entry("stamped_headers", &call.stamps.keys().collect::<Vec<_>>())?;
                for (name, value) in &call.stamps {
                    map.serialize_entry(name, value)?;
                }
            }
        }
        map.serialize_entry("task_id", &self.id)?;
        map.end()
    }
}

/// The object as it may come: what is not there, or is of another kind than Celery's, is left out.
#[derive(Deserialize)]
pub(super) struct Wire {
    status: State,
    task_id: String,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    traceback: Value,
    #[serde(default)]
    children: Value,
    #[serde(default)]
    date_done: Value,
    #[serde(default)]
    group_id: Value,
    #[serde(default)]
    parent_id: Value,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    args: Value,
    #[serde(default)]
    kwargs: Value,
    #[serde(default)]
    worker: Value,
    #[serde(default)]
    retries: Value,
    #[serde(default)]
    queue: Value,
}

impl Wire {
    pub(super) fn into_meta(self) -> Meta {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let extended = text(&self.name).map(|name| Extended {
            name,
            args: self.args,
            kwargs: self.kwargs,
            worker: text(&self.worker).unwrap_or_default(),
            retries: self.retries.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            queue: text(&self.queue).unwrap_or_default(),
            // Stamps stand among the fields, where nothing tells them from fields that are not known here.
            stamps: Map::new(),
        });
        Meta {
            id: self.task_id,
            state: self.status,
            result: self.result,
            traceback: text(&self.traceback),
            children: self
                .children
                .as_array()
                .map(|all| all.iter().filter_map(ResultTree::from_value).collect()),
            date_done: self.date_done.as_str().and_then(instant),
            group_id: text(&self.group_id),
            parent_id: text(&self.parent_id),
            extended,
        }
    }
}

/// An instant without an offset is of an app whose time zone was changed; UTC is the best guess.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_missing_or_odd_do_not_hide_the_rest() {
        let meta = Meta::read(
            br#"{"task_id": "a", "status": "SUCCESS", "children": null, "date_done": 3, "new": 1}"#,
        );

        let meta = meta.unwrap();
        assert_eq!((meta.id.as_str(), &meta.state, &meta.result), ("a", &State::Success, &Value::Null));
        assert_eq!((meta.children, meta.date_done, meta.extended), (None, None, None));
        for other in [&b"{}"[..], b"", b"\x80\x02}q", br#"{"status": "SUCCESS"}"#] {
            assert_eq!(Meta::read(other), None);
        }
    }

    #[test]
    fn instants_are_read_with_and_without_an_offset() {
        for text in [
            "2026-11-21T20:57:27.561961+00:00",
            "2026-11-21T20:57:27.561961",
            "2026-11-22T04:57:27.561961+08:00",
        ] {
            assert_eq!(instant(text).unwrap().to_string(), "2026-11-21T20:57:27.561961Z");
        }
    }
}
