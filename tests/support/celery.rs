//! Messages as Celery 5.7 writes them, built here or captured in `tests/fixtures/celery`.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldArray, FieldTable},
};
use serde_json::{Value, json};

use crate::amqp::Envelope;

/// The tutorial's task.
pub const CCP: &str = "ccp_send_sms_code";

/// A message that was captured although something is odd about it.
pub struct OddMessage {
    /// What is odd.
    pub case: String,
    /// The message.
    pub message: Envelope,
}

/// `task.delay(*args, **kwargs)` with that id.
pub fn call(task: &str, id: &str, args: &Value, kwargs: &Value) -> Envelope {
    let embed = json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null});
    let headers = json!({
        "lang": "py", "task": task, "id": id, "shadow": null, "eta": null, "expires": null, "group": null,
        "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": id, "parent_id": null,
        "argsrepr": "()", "kwargsrepr": "{}", "origin": "gen1@shop", "ignore_result": false,
        "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {},
    });
    let properties = json!({
        "content_type": "application/json", "content_encoding": "utf-8", "correlation_id": id,
        "reply_to": "01c6be51-662d-3801-8612-c18bd2068fab", "delivery_mode": 2, "priority": 0,
    });
    Envelope {
        properties: read_properties(&properties).with_headers(table(&headers)),
        body: json!([args, kwargs, embed]).to_string().into_bytes(),
    }
}

/// `ccp_send_sms_code.delay(mobile, code)` with that id.
pub fn send_sms(id: &str, mobile: &str, code: &str) -> Envelope {
    call(CCP, id, &json!([mobile, code]), &json!({}))
}

/// A capture as it lies in its file: a message, or a list of them.
pub fn captured(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/celery/{name}.json"));
    let json = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("failed to read {}: {error}", path.display()));
    serde_json::from_str(&json).expect("a fixture is JSON")
}

/// A captured message by the name of its file.
pub fn fixture(name: &str) -> Envelope {
    read_message(&captured(name))
}

/// The captured odd messages.
pub fn odd_messages() -> Vec<OddMessage> {
    let Value::Array(odd) = captured("odd-messages") else { panic!("odd-messages.json is a list") };
    odd.iter()
        .map(|odd| OddMessage {
            case: odd["case"].as_str().expect("a text").into(),
            message: read_message(odd),
        })
        .collect()
}

/// A text as a header.
pub fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// `headers: null` in a capture is a message without a header table.
fn read_message(message: &Value) -> Envelope {
    let mut properties = read_properties(&message["properties"]);
    if !message["headers"].is_null() {
        properties = properties.with_headers(table(&message["headers"]));
    }
    let body = message["body"].as_str().expect("a text");
    let body = match message["body_kind"].as_str() {
        Some("base64") => STANDARD.decode(body).expect("base64"),
        _ => body.into(),
    };
    Envelope { properties, body }
}

fn read_properties(captured: &Value) -> BasicProperties {
    let mut properties = BasicProperties::default();
    for (name, value) in captured.as_object().expect("an object") {
        let text = value.as_str().unwrap_or_default();
        let number = u8::try_from(value.as_u64().unwrap_or_default()).expect("a small number");
        properties = match name.as_str() {
            "content_type" => properties.with_content_type(text.into()),
            "content_encoding" => properties.with_content_encoding(text.into()),
            "correlation_id" => properties.with_correlation_id(text.into()),
            "reply_to" => properties.with_reply_to(text.into()),
            "message_id" => properties.with_message_id(text.into()),
            "expiration" => properties.with_expiration(text.into()),
            "delivery_mode" => properties.with_delivery_mode(number),
            "priority" => properties.with_priority(number),
            other => panic!("the property {other} is in no capture"),
        };
    }
    properties
}

fn table(captured: &Value) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in captured.as_object().expect("an object") {
        table.insert(name.as_str().into(), header(value));
    }
    table
}

/// The types that py-amqp chooses, as the captures say in `header_amqp_types`.
fn header(captured: &Value) -> AMQPValue {
    match captured {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Number(number) => match number.as_i64().map(i32::try_from) {
            Some(Ok(small)) => AMQPValue::LongInt(small),
            Some(Err(_)) => AMQPValue::LongLongInt(number.as_i64().expect("it is one")),
            None => AMQPValue::Double(number.as_f64().expect("a number")),
        },
        Value::Array(values) => {
            AMQPValue::FieldArray(FieldArray::from(values.iter().map(header).collect::<Vec<_>>()))
        }
        Value::Object(_) => AMQPValue::FieldTable(table(captured)),
    }
}
