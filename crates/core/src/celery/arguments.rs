//! Python's calling convention for serde: `f(a, b=1)` decodes into `struct F { a, b }`.
//!
//! Positional arguments take the names of the struct's fields in order; keyword arguments go by name. Unknown keywords
//! are ignored, so that an older worker can run what a newer producer enqueues. Errors never quote a value.

use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::body::Arguments;

/// Why arguments do not fit a task. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the arguments do not fit the task: {0}")]
pub struct ArgumentsError(String);

impl Arguments {
    /// Reads the payload: positional arguments fill a struct's fields in their order, keyword arguments by name.
    pub fn decode<T: DeserializeOwned>(self) -> Result<T, ArgumentsError> {
        T::deserialize(Call(self))
    }
}

struct Call(Arguments);

impl<'de> Deserializer<'de> for Call {
    type Error = ArgumentsError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        let Arguments { args, mut kwargs } = self.0;
        if args.len() > fields.len() {
            return Err(ArgumentsError(format!(
                "takes {} positional arguments but {} were given",
                fields.len(),
                args.len()
            )));
        }
        for (field, value) in fields.iter().zip(args) {
            if kwargs.insert((*field).to_owned(), value).is_some() {
                return Err(ArgumentsError(format!("got multiple values for the argument `{field}`")));
            }
        }
        visitor
            .visit_map(MapDeserializer::new(kwargs.into_iter().map(|(name, value)| (name, Argument(value)))))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        let Arguments { mut args, kwargs } = self.0;
        match (args.len(), kwargs.is_empty()) {
            (0, true) => visitor.visit_unit(),
            (0, false) => visitor.visit_map(MapDeserializer::new(
                kwargs.into_iter().map(|(name, value)| (name, Argument(value))),
            )),
            (1, true) => Argument(args.remove(0)).deserialize_any(visitor),
            (_, true) => Argument(Value::Array(args)).deserialize_any(visitor),
            (_, false) => {
                Err(ArgumentsError("positional and keyword arguments need a task with named fields".into()))
            }
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// One argument; its errors are rewritten so that they do not quote the value.
struct Argument(Value);

impl IntoDeserializer<'_, ArgumentsError> for Argument {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! forward_to_value {
    ($($method:ident($($name:ident: $kind:ty),*)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, ArgumentsError> {
            self.0.$method($($name,)* visitor).map_err(|error| without_values(&error))
        }
    )*};
}

impl<'de> Deserializer<'de> for Argument {
    type Error = ArgumentsError;

    forward_to_value! {
        deserialize_any(), deserialize_bool(), deserialize_i8(), deserialize_i16(), deserialize_i32(),
        deserialize_i64(), deserialize_i128(), deserialize_u8(), deserialize_u16(), deserialize_u32(),
        deserialize_u64(), deserialize_u128(), deserialize_f32(), deserialize_f64(), deserialize_char(),
        deserialize_str(), deserialize_string(), deserialize_bytes(), deserialize_byte_buf(), deserialize_option(),
        deserialize_unit(), deserialize_unit_struct(name: &'static str), deserialize_newtype_struct(name: &'static str),
        deserialize_seq(), deserialize_tuple(len: usize), deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_map(), deserialize_struct(name: &'static str, fields: &'static [&'static str]),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]), deserialize_identifier(),
        deserialize_ignored_any(),
    }
}

/// Serde's messages quote the unexpected value between "type:" or "value:" and ", expected": keep what was expected.
fn without_values(error: &serde_json::Error) -> ArgumentsError {
    let text = error.to_string();
    ArgumentsError(match text.split_once(", expected ") {
        Some((_, expected)) => format!("a value of the wrong type, expected {expected}"),
        None if text.contains("field") && !text.contains(':') => text,
        None => "a value that the task does not take".into(),
    })
}

impl de::Error for ArgumentsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(_unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self(format!("a value of the wrong type, expected {expected}"))
    }

    fn invalid_value(_unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self(format!("a value out of range, expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Add {
        x: i64,
        #[serde(default)]
        y: i64,
    }

    fn call(args: Value, kwargs: Value) -> Arguments {
        Arguments {
            args: serde_json::from_value(args).unwrap(),
            kwargs: serde_json::from_value(kwargs).unwrap(),
        }
    }

    #[test]
    fn positional_and_keyword_arguments_meet_in_the_fields() {
        for (args, kwargs) in [
            (json!([1, 2]), json!({})),
            (json!([1]), json!({"y": 2})),
            (json!([]), json!({"y": 2, "x": 1})),
            (json!([1, 2]), json!({"unknown": 3})),
        ] {
            assert_eq!(call(args, kwargs).decode(), Ok(Add { x: 1, y: 2 }));
        }
        assert_eq!(call(json!([1]), json!({})).decode(), Ok(Add { x: 1, y: 0 }));
        assert_eq!(call(json!([[1, 2]]), json!({})).decode(), Ok(vec![1, 2]));
        assert_eq!(call(json!([1, 2]), json!({})).decode(), Ok((1, 2)));
        assert_eq!(call(json!([]), json!({})).decode(), Ok(()));
    }

    #[test]
    fn a_call_that_does_not_fit_says_why_and_quotes_no_value() {
        let cases = [
            (json!([1, 2, 3]), json!({}), "takes 2 positional arguments but 3 were given"),
            (json!([1]), json!({"x": 2}), "multiple values for the argument `x`"),
            (json!([]), json!({}), "missing field `x`"),
            (json!(["123456"]), json!({}), "expected i64"),
        ];
        for (args, kwargs, expected) in cases {
            let text = call(args, kwargs).decode::<Add>().unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("123456"), "{text}");
        }
    }
}
