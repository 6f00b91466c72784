//! Python's calling convention for serde: `f(a, b=1)` decodes into `struct F { a, b }`.
//!
//! Positional arguments take the names of the struct's fields in order; keyword arguments go by name. Unknown keywords
//! are ignored, so that an older worker can run what a newer producer enqueues. Errors never quote a value. What becomes
//! of a single argument is in `argument`.

use std::fmt;

use serde::de::value::MapDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde_json::Value;

use super::argument::Argument;
use super::body::Arguments;

/// Why arguments do not fit a task. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the arguments do not fit the task: {0}")]
pub struct ArgumentsError(String);

impl Arguments {
    /// Reads the payload: positional arguments fill a struct's fields in their order, keyword arguments by name.
    ///
    /// Values that JSON has no form for are read by the type that takes them: a Python `datetime`, `date`, `time` and
    /// `UUID` by whatever reads their text (`jiff::Timestamp`, `uuid::Uuid`, `String`), a `Decimal` by what reads text or
    /// a number, `bytes` by a list of `u8`, by `serde`'s bytes and, where they are UTF-8, by `String`. A
    /// [`Call`](super::Call) keeps them as they are.
    pub fn decode<T: DeserializeOwned>(self) -> Result<T, ArgumentsError> {
        T::deserialize(Calling(self))
    }
}

struct Calling(Arguments);

impl Calling {
    /// The only argument, which is read as what the task is; else all of them, to be read as what they are.
    fn only(self) -> Result<Argument, Self> {
        let Arguments { args, kwargs } = self.0;
        if !kwargs.is_empty() {
            return Err(Self(Arguments { args, kwargs }));
        }
        match <[Value; 1]>::try_from(args) {
            Ok([only]) => Ok(Argument(only)),
            Err(args) => Err(Self(Arguments { args, kwargs })),
        }
    }
}

macro_rules! forward_to_the_only_argument {
    ($($method:ident($($name:ident: $kind:ty),*)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, ArgumentsError> {
            match self.only() {
                Ok(argument) => argument.$method($($name,)* visitor),
                Err(call) => call.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Calling {
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

    forward_to_the_only_argument! {
        deserialize_bool(), deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(),
        deserialize_i128(), deserialize_u8(), deserialize_u16(), deserialize_u32(), deserialize_u64(),
        deserialize_u128(), deserialize_f32(), deserialize_f64(), deserialize_char(), deserialize_str(),
        deserialize_string(), deserialize_bytes(), deserialize_byte_buf(), deserialize_option(), deserialize_unit(),
        deserialize_seq(), deserialize_tuple(len: usize), deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_map(), deserialize_enum(name: &'static str, variants: &'static [&'static str]),
        deserialize_identifier(), deserialize_ignored_any(),
    }
}

/// Serde's messages quote the unexpected value between "type:" or "value:" and ", expected": keep what was expected.
pub(super) fn without_values(error: &serde_json::Error) -> ArgumentsError {
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

    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("an unknown variant, expected one of {}", expected.join(", ")))
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
