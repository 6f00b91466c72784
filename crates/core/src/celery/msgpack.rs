//! Msgpack, which Celery writes with `task_serializer = 'msgpack'`, read into JSON values and written from them.
//!
//! Bytes become kombu's tagged form, so that a task reads them as it reads those of a JSON body.

use std::borrow::Cow;

use rmpv::Value as Packed;
use serde_json::{Map, Number, Value};

use super::content::BodyError;
use super::tagged::Tagged;

/// How deep lists and maps may lie in each other, as in JSON.
const MAX_DEPTH: usize = 128;

/// One value that fills the bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Value, BodyError> {
    let mut rest = bytes;
    let packed =
        rmpv::decode::read_value_with_max_depth(&mut rest, MAX_DEPTH).map_err(|_| BodyError::Malformed)?;
    if rest.is_empty() { value(packed) } else { Err(BodyError::Malformed) }
}

/// A value's bytes.
pub(super) fn write(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &packed(value)).expect("a list of bytes takes all");
    bytes
}

fn packed(value: &Value) -> Packed {
    match value {
        Value::Null => Packed::Nil,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().map_or(Packed::Nil, Packed::from),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Packed::Array(items.iter().map(packed).collect()),
        Value::Object(map) => {
            Packed::Map(map.iter().map(|(key, item)| (key.as_str().into(), packed(item))).collect())
        }
    }
}

fn value(packed: Packed) -> Result<Value, BodyError> {
    Ok(match packed {
        Packed::Nil => Value::Null,
        Packed::Boolean(value) => Value::Bool(value),
        Packed::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, number) => number.ok_or(BodyError::Malformed)?.into(),
        },
        Packed::F32(number) => finite(number.into())?,
        Packed::F64(number) => finite(number)?,
        Packed::String(text) => Value::String(text.into_str().ok_or(BodyError::Malformed)?),
        Packed::Binary(bytes) => Tagged::Bytes(Cow::Owned(bytes)).to_value(),
        Packed::Array(items) => Value::Array(items.into_iter().map(value).collect::<Result<_, _>>()?),
        Packed::Map(pairs) => {
            let pair = |(key, item)| Ok((name(key)?, value(item)?));
            Value::Object(pairs.into_iter().map(pair).collect::<Result<Map<_, _>, BodyError>>()?)
        }
        // Celery registers no extension types.
        Packed::Ext(..) => return Err(BodyError::Malformed),
    })
}

fn finite(number: f64) -> Result<Value, BodyError> {
    Number::from_f64(number).map(Value::Number).ok_or(BodyError::NotFinite)
}

/// A key as the JSON of the same dict would have it.
fn name(key: Packed) -> Result<String, BodyError> {
    Ok(match value(key)? {
        Value::String(text) => text,
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => return Err(BodyError::Malformed),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let value = json!({"a": [null, true, -1, u64::MAX, 1.5, "text", {}], "": []});

        assert_eq!(read(&write(&value)).unwrap(), value);
    }
}
