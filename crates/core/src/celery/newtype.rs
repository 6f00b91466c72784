//! Whether a payload is a newtype, as `struct Totals(Vec<i64>)` is: a serializer that looks at nothing else.

use std::fmt;

use serde::ser::{Error, Impossible, Serialize, Serializer};

/// Whether the value serializes as a newtype.
pub(super) fn is_newtype(value: &impl Serialize) -> bool {
    value.serialize(Probe).is_ok()
}

struct Probe;

/// The value is something else.
#[derive(Debug)]
struct Other;

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no newtype")
    }
}

impl std::error::Error for Other {}

impl Error for Other {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

type None = Impossible<(), Other>;

macro_rules! other {
    ($($method:ident($($kind:ty),*) -> $ok:ty),* $(,)?) => {$(
        fn $method(self, $(_: $kind),*) -> Result<$ok, Other> {
            Err(Other)
        }
    )*};
}

impl Serializer for Probe {
    type Ok = ();
    type Error = Other;
    type SerializeSeq = None;
    type SerializeTuple = None;
    type SerializeTupleStruct = None;
    type SerializeTupleVariant = None;
    type SerializeMap = None;
    type SerializeStruct = None;
    type SerializeStructVariant = None;

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _value: &T,
    ) -> Result<(), Other> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _value: &T) -> Result<(), Other> {
        Err(Other)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), Other> {
        Err(Other)
    }

    other! {
        serialize_bool(bool) -> (), serialize_i8(i8) -> (), serialize_i16(i16) -> (), serialize_i32(i32) -> (),
        serialize_i64(i64) -> (), serialize_i128(i128) -> (), serialize_u8(u8) -> (), serialize_u16(u16) -> (),
        serialize_u32(u32) -> (), serialize_u64(u64) -> (), serialize_u128(u128) -> (), serialize_f32(f32) -> (),
        serialize_f64(f64) -> (), serialize_char(char) -> (), serialize_str(&str) -> (), serialize_bytes(&[u8]) -> (),
        serialize_none() -> (), serialize_unit() -> (), serialize_unit_struct(&'static str) -> (),
        serialize_unit_variant(&'static str, u32, &'static str) -> (), serialize_seq(Option<usize>) -> None,
        serialize_tuple(usize) -> None, serialize_tuple_struct(&'static str, usize) -> None,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> None, serialize_map(Option<usize>) -> None,
        serialize_struct(&'static str, usize) -> None,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> None,
    }
}
