//! From the bytes of a body to its values: compression, serializer and character set, each named by the message.
//!
//! JSON and msgpack are read, as they are or compressed with zlib, which Celery calls gzip. What else Celery can write
//! (pickle, YAML, bzip2 and others) is refused with the setting to change.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use serde::de::DeserializeOwned;

use super::msgpack;
use super::serializer::Serializer;
use crate::broker::message::{Message, Value};

/// Largest body that is decoded, after decompression. A task's arguments are far below it; more is a mistake or an attack.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// Why a body cannot be read. The texts hold no part of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Larger than what is decoded.
    #[error("the body is larger than {MAX_BODY} bytes")]
    TooLarge,
    /// A serializer that is not read.
    #[error("the content type {0:?} is not supported: set task_serializer = 'json' or 'msgpack'")]
    ContentType(String),
    /// Another character set than UTF-8.
    #[error("the content encoding {0:?} is not supported: use utf-8")]
    ContentEncoding(String),
    /// A compression that is not read.
    #[error("the compression {0:?} is not supported: unset task_compression or set it to 'gzip'")]
    Compression(String),
    /// Compressed, but broken.
    #[error("the body cannot be decompressed")]
    Damaged,
    /// A number that JSON has no form for. Python's writes it all the same.
    #[error("the body has a number that JSON does not have: NaN or Infinity")]
    NotFinite,
    /// Not what the protocol asks for.
    #[error("the body is not the list [args, kwargs, embed]")]
    Malformed,
}

/// Reads the body of a message by what its properties and headers say about it.
pub(super) fn read<T: DeserializeOwned>(message: &Message) -> Result<T, BodyError> {
    if message.body.len() > MAX_BODY {
        return Err(BodyError::TooLarge);
    }
    let body = decompressed(message)?;
    let properties = &message.properties;
    // Messages written by hand leave it out; the body says what it is.
    let content_type = properties.content_type.as_deref();
    match Serializer::of(content_type) {
        Some(Serializer::Json) => {}
        Some(Serializer::Msgpack) => {
            let value = msgpack::read(&body)?;
            return serde_json::from_value(value).map_err(|_| BodyError::Malformed);
        }
        None => return Err(BodyError::ContentType(clipped(content_type.unwrap_or_default()))),
    }
    let encoding = properties.content_encoding.as_deref();
    let known = ["utf-8", "utf8", "us-ascii", "ascii", "binary"];
    if let Some(other) = encoding.filter(|given| !known.iter().any(|known| known.eq_ignore_ascii_case(given)))
    {
        return Err(BodyError::ContentEncoding(clipped(other)));
    }
    serde_json::from_slice(&body).map_err(|_| {
        if has_bare_name_of_a_number(&body) { BodyError::NotFinite } else { BodyError::Malformed }
    })
}

/// Whether `NaN` or `Infinity` stands outside of all texts, where Python's JSON writes them.
fn has_bare_name_of_a_number(body: &[u8]) -> bool {
    let mut rest = body;
    let mut in_text = false;
    while let [first, after @ ..] = rest {
        match first {
            b'\\' if in_text => {
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            b'"' => in_text = !in_text,
            _ if !in_text && (rest.starts_with(b"NaN") || rest.starts_with(b"Infinity")) => return true,
            _ => {}
        }
        rest = after;
    }
    false
}

fn decompressed(message: &Message) -> Result<Cow<'_, [u8]>, BodyError> {
    let compressed = &message.body[..];
    match message.headers.get("compression") {
        None | Some(Value::Void) => Ok(Cow::Borrowed(compressed)),
        Some(Value::Str(name)) => match name.as_str() {
            // What calls itself gzip is zlib, unless it begins as gzip does: a client in another language may mean it.
            "application/x-gzip" | "gzip" | "zlib" if compressed.starts_with(&[0x1f, 0x8b]) => {
                bounded(GzDecoder::new(compressed))
            }
            "application/x-gzip" | "gzip" | "zlib" => bounded(ZlibDecoder::new(compressed)),
            other => Err(BodyError::Compression(clipped(other))),
        },
        Some(_) => Err(BodyError::Compression("not a text".into())),
    }
}

/// Decompresses up to the limit: a small body may hide a large one.
fn bounded(decoder: impl Read) -> Result<Cow<'static, [u8]>, BodyError> {
    let mut plain = Vec::new();
    decoder.take(MAX_BODY as u64 + 1).read_to_end(&mut plain).map_err(|_| BodyError::Damaged)?;
    if plain.len() > MAX_BODY { Err(BodyError::TooLarge) } else { Ok(Cow::Owned(plain)) }
}

fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}
