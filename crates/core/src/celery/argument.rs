//! One argument: a JSON value for serde, with kombu's tagged values read by the type that takes them.
//!
//! A tagged value inside a list, a map or an enum is read as one at the top is. Errors are rewritten so that they do not
//! quote the value.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde_json::{Map, Value};

use super::arguments::{ArgumentsError, without_values};
use super::call::AS_IT_IS;
use super::tagged::Tagged;

/// One argument.
pub(super) struct Argument(pub(super) Value);

impl IntoDeserializer<'_, ArgumentsError> for Argument {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Argument {
    /// What takes text takes a tagged value's text.
    fn into_text(self) -> Value {
        match Tagged::of(&self.0).as_ref().and_then(Tagged::text) {
            Some(text) => Value::String(text.to_owned()),
            None => self.0,
        }
    }

    /// What takes a number takes a decimal's number.
    fn into_number(self) -> Value {
        match Tagged::of(&self.0) {
            Some(Tagged::Decimal(text)) => match serde_json::from_str(text) {
                Ok(number @ Value::Number(_)) => number,
                _ => Value::String(text.to_owned()),
            },
            _ => self.0,
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match Tagged::of(&self.0) {
            Some(Tagged::Bytes(bytes)) => Some(bytes.into_owned()),
            _ => None,
        }
    }

    fn visit_list<'de, V: Visitor<'de>>(items: Vec<Value>, visitor: V) -> Result<V::Value, ArgumentsError> {
        let mut items = SeqDeserializer::new(items.into_iter().map(Argument));
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    fn visit_object<'de, V: Visitor<'de>>(
        object: Map<String, Value>,
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        let mut entries = MapDeserializer::new(object.into_iter().map(|(name, value)| (name, Self(value))));
        let value = visitor.visit_map(&mut entries)?;
        entries.end()?;
        Ok(value)
    }
}

macro_rules! forward {
    ($how:ident: $($method:ident($($name:ident: $kind:ty),*)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, ArgumentsError> {
            self.$how().$method($($name,)* visitor).map_err(|error| without_values(&error))
        }
    )*};
}

impl<'de> Deserializer<'de> for Argument {
    type Error = ArgumentsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        match self.into_text() {
            Value::Array(items) => Self::visit_list(items, visitor),
            Value::Object(object) => Self::visit_object(object, visitor),
            plain => plain.deserialize_any(visitor).map_err(|error| without_values(&error)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        if name == AS_IT_IS {
            return visitor.visit_newtype_struct(self.0).map_err(|error| without_values(&error));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        match self.bytes() {
            Some(bytes) => visitor.visit_byte_buf(bytes),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        match self.bytes() {
            Some(bytes) => visitor.visit_byte_buf(bytes),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        match self.bytes() {
            Some(bytes) => Self::visit_list(bytes.into_iter().map(Value::from).collect(), visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ArgumentsError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentsError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentsError> {
        match self.into_text() {
            Value::Object(object) if object.len() == 1 => {
                let entries = object.into_iter().map(|(name, value)| (name, Self(value)));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(entries)))
            }
            plain => plain.deserialize_enum(name, variants, visitor).map_err(|error| without_values(&error)),
        }
    }

    forward! { into_number:
        deserialize_i8(), deserialize_i16(), deserialize_i32(), deserialize_i64(), deserialize_i128(),
        deserialize_u8(), deserialize_u16(), deserialize_u32(), deserialize_u64(), deserialize_u128(),
        deserialize_f32(), deserialize_f64(),
    }

    forward! { into_text:
        deserialize_bool(), deserialize_char(), deserialize_unit(), deserialize_unit_struct(name: &'static str),
        deserialize_identifier(), deserialize_ignored_any(),
    }
}
