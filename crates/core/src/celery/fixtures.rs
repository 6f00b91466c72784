//! The captures of `tests/fixtures/celery`, for the unit tests of this module and of [`crate::canvas`].

use serde_json::{Map, Value as Json};

use super::envelope::header;
use crate::broker::message::{Message, Properties};

/// The captured messages of that file: one, or the several of a canvas.
pub(crate) fn captured(name: &str) -> Vec<Json> {
    let path = format!("{}/../../tests/fixtures/celery/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    match serde_json::from_str(&text).unwrap() {
        Json::Array(messages) => messages,
        message => vec![message],
    }
}

/// The captured messages of that file, as they would arrive.
pub(crate) fn messages(name: &str) -> Vec<Message> {
    captured(name).iter().map(message).collect()
}

/// One captured message as it would arrive.
pub(crate) fn message(captured: &Json) -> Message {
    use base64::Engine as _;
    let body = captured["body"].as_str().unwrap();
    let body = match captured["body_kind"].as_str() {
        Some("base64") => base64::engine::general_purpose::STANDARD.decode(body).unwrap(),
        _ => body.as_bytes().to_vec(),
    };
    let none = Map::new();
    let headers = captured["headers"].as_object().unwrap_or(&none);
    let text = |name: &str| captured["properties"][name].as_str().map(str::to_owned);
    let small =
        |name: &str| captured["properties"][name].as_u64().map(|number| u8::try_from(number).unwrap());
    Message {
        properties: Properties {
            content_type: text("content_type"),
            content_encoding: text("content_encoding"),
            delivery_mode: small("delivery_mode"),
            priority: small("priority"),
            correlation_id: text("correlation_id"),
            reply_to: text("reply_to"),
            expiration: text("expiration"),
            message_id: text("message_id"),
            ..Properties::default()
        },
        headers: headers.iter().map(|(name, value)| (name.clone(), header(value))).collect(),
        body: body.into(),
    }
}
