//! Answers as Celery prints them.

use postrider_core::celery::repr::literal;
use serde_json::Value;

/// A value as Celery prints it, and whether the node says that it went well.
pub(super) fn pretty(value: &Value) -> (&'static str, String) {
    match value {
        Value::Array(values) if values.is_empty() => ("OK", "- empty -".into()),
        Value::Array(values) => {
            let lines: Vec<String> = values.iter().map(|value| format!("* {}", shown(value))).collect();
            ("OK", lines.join("\n"))
        }
        Value::Object(map) => match (map.get("ok"), map.get("error")) {
            (Some(ok), _) => ("OK", indent(&pretty(ok).1)),
            (None, Some(error)) => ("ERROR", indent(&pretty(error).1)),
            (None, None) => ("OK", sorted(value)),
        },
        value => ("OK", shown(value)),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| literal(value), str::to_owned)
}

/// JSON with sorted keys and Celery's four spaces.
fn sorted(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    serde::Serialize::serialize(&value, &mut serializer).expect("a value is JSON");
    String::from_utf8(out).expect("JSON is UTF-8")
}

pub(super) fn indent(text: &str) -> String {
    text.split('\n').map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
