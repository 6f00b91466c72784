//! Between the client library's types and ours, without loss.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, ShortString};

use super::super::NotPublished;
use super::super::message::{Message, Properties, Table, Value};

pub(super) fn received(properties: &BasicProperties, body: Vec<u8>) -> Message {
    let text = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
    Message {
        properties: Properties {
            content_type: text(properties.content_type()),
            content_encoding: text(properties.content_encoding()),
            delivery_mode: *properties.delivery_mode(),
            priority: *properties.priority(),
            correlation_id: text(properties.correlation_id()),
            reply_to: text(properties.reply_to()),
            expiration: text(properties.expiration()),
            message_id: text(properties.message_id()),
            timestamp: *properties.timestamp(),
            kind: text(properties.kind()),
            app_id: text(properties.app_id()),
        },
        headers: properties.headers().as_ref().map(table_from).unwrap_or_default(),
        body: body.into(),
    }
}

pub(super) fn to_publish(message: &Message) -> Result<BasicProperties, NotPublished> {
    let mut out = BasicProperties::default().with_headers(table_to(&message.headers)?);
    let properties = &message.properties;
    if let Some(text) = &properties.content_type {
        out = out.with_content_type(short(text)?);
    }
    if let Some(text) = &properties.content_encoding {
        out = out.with_content_encoding(short(text)?);
    }
    if let Some(mode) = properties.delivery_mode {
        out = out.with_delivery_mode(mode);
    }
    if let Some(priority) = properties.priority {
        out = out.with_priority(priority);
    }
    if let Some(text) = &properties.correlation_id {
        out = out.with_correlation_id(short(text)?);
    }
    if let Some(text) = &properties.reply_to {
        out = out.with_reply_to(short(text)?);
    }
    if let Some(text) = &properties.expiration {
        out = out.with_expiration(short(text)?);
    }
    if let Some(text) = &properties.message_id {
        out = out.with_message_id(short(text)?);
    }
    if let Some(timestamp) = properties.timestamp {
        out = out.with_timestamp(timestamp);
    }
    if let Some(text) = &properties.kind {
        out = out.with_type(short(text)?);
    }
    if let Some(text) = &properties.app_id {
        out = out.with_app_id(short(text)?);
    }
    Ok(out)
}

/// A name as AMQP's short string; `From` would panic above 255 bytes.
pub(super) fn short(text: &str) -> Result<ShortString, NotPublished> {
    ShortString::try_new(text).map_err(|_| NotPublished::Name(text.chars().take(64).collect()))
}

pub(super) fn table_to(table: &Table) -> Result<FieldTable, NotPublished> {
    let mut out = FieldTable::default();
    for (name, value) in table {
        out.insert(short(name)?, value_to(value)?);
    }
    Ok(out)
}

fn table_from(table: &FieldTable) -> Table {
    table.inner().iter().map(|(name, value)| (name.to_string(), value_from(value))).collect()
}

fn value_from(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => Value::Bool(*value),
        AMQPValue::ShortShortInt(value) => Value::I8(*value),
        AMQPValue::ShortShortUInt(value) => Value::U8(*value),
        AMQPValue::ShortInt(value) => Value::I16(*value),
        AMQPValue::ShortUInt(value) => Value::U16(*value),
        AMQPValue::LongInt(value) => Value::I32(*value),
        AMQPValue::LongUInt(value) => Value::U32(*value),
        AMQPValue::LongLongInt(value) => Value::I64(*value),
        AMQPValue::Float(value) => Value::F32(*value),
        AMQPValue::Double(value) => Value::F64(*value),
        AMQPValue::DecimalValue(value) => Value::Decimal { scale: value.scale, value: value.value },
        AMQPValue::ShortString(text) => Value::Str(text.to_string()),
        AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => Value::Str(text.to_owned()),
            Err(_) => Value::RawStr(text.as_bytes().to_vec()),
        },
        AMQPValue::FieldArray(values) => Value::Array(values.as_slice().iter().map(value_from).collect()),
        AMQPValue::Timestamp(value) => Value::Timestamp(*value),
        AMQPValue::FieldTable(table) => Value::Table(table_from(table)),
        AMQPValue::ByteArray(bytes) => Value::Bytes(bytes.as_slice().to_vec()),
        AMQPValue::Void => Value::Void,
    }
}

fn value_to(value: &Value) -> Result<AMQPValue, NotPublished> {
    Ok(match value {
        Value::Void => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::I8(value) => AMQPValue::ShortShortInt(*value),
        Value::U8(value) => AMQPValue::ShortShortUInt(*value),
        Value::I16(value) => AMQPValue::ShortInt(*value),
        Value::U16(value) => AMQPValue::ShortUInt(*value),
        Value::I32(value) => AMQPValue::LongInt(*value),
        Value::U32(value) => AMQPValue::LongUInt(*value),
        Value::I64(value) => AMQPValue::LongLongInt(*value),
        Value::F32(value) => AMQPValue::Float(*value),
        Value::F64(value) => AMQPValue::Double(*value),
        Value::Decimal { scale, value } => {
            AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *value })
        }
        // RabbitMQ's table grammar has no short string.
        Value::Str(text) => AMQPValue::LongString(text.as_bytes().into()),
        Value::RawStr(bytes) => AMQPValue::LongString(bytes.clone().into()),
        Value::Bytes(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes.clone())),
        Value::Array(values) => {
            let values: Result<Vec<AMQPValue>, NotPublished> = values.iter().map(value_to).collect();
            AMQPValue::FieldArray(FieldArray::from(values?))
        }
        Value::Timestamp(value) => AMQPValue::Timestamp(*value),
        Value::Table(table) => AMQPValue::FieldTable(table_to(table)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_header_survives_the_way_there_and_back() {
        let values = [
            Value::Void,
            Value::Bool(true),
            Value::I8(-1),
            Value::U8(1),
            Value::I16(-1),
            Value::U16(1),
            Value::I32(-1),
            Value::U32(1),
            Value::I64(-1),
            Value::F32(1.5),
            Value::F64(1.5),
            Value::Decimal { scale: 2, value: 150 },
            Value::Str("é".into()),
            Value::RawStr(vec![0xff, 0xfe]),
            Value::Bytes(vec![0, 255]),
            Value::Array(vec![Value::Void, "x".into()]),
            Value::Timestamp(7),
            Value::Table(Table::from([("k".into(), Value::I32(1))])),
        ];
        let headers: Table =
            values.into_iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect();
        let properties = Properties {
            content_type: Some("application/json".into()),
            delivery_mode: Some(2),
            expiration: Some("120000".into()),
            kind: Some("t".into()),
            timestamp: Some(9),
            ..Properties::default()
        };
        let message = Message { properties, headers, body: "x".into() };

        assert_eq!(received(&to_publish(&message).unwrap(), b"x".to_vec()), message);
    }

    #[test]
    fn a_name_that_is_too_long_is_an_error_and_no_panic() {
        assert!(short(&"x".repeat(255)).is_ok());
        assert!(short(&"x".repeat(256)).is_err());
    }
}
