//! The values that JSON has no form for, as kombu tags them: `{"__type__": "date", "__value__": "2030-01-02"}`.
//!
//! They stay tagged in a [`Value`], so that what is passed on reaches Python as it came. A task's own type decides what
//! becomes of them: see [`super::Arguments::decode`].

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// A tagged value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged<'a> {
    /// A `datetime`, ISO 8601, with or without an offset.
    DateTime(&'a str),
    /// A `date`, ISO 8601.
    Date(&'a str),
    /// A `time`, ISO 8601.
    Time(&'a str),
    /// A `Decimal`, as text so that no digit is lost.
    Decimal(&'a str),
    /// A `UUID`, in its usual form with hyphens.
    Uuid(String),
    /// Bytes, in either of the two forms that kombu writes.
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Tagged<'a> {
    /// What a value is tagged as; `None` for an ordinary value and for a tag that nobody knows.
    pub fn of(value: &'a Value) -> Option<Self> {
        Self::in_map(value.as_object()?)
    }

    /// The same for an object.
    pub fn in_map(map: &'a Map<String, Value>) -> Option<Self> {
        if map.len() != 2 {
            return None;
        }
        let (kind, value) = (map.get("__type__")?.as_str()?, map.get("__value__")?);
        Some(match kind {
            "datetime" => Self::DateTime(value.as_str()?),
            "date" => Self::Date(value.as_str()?),
            "time" => Self::Time(value.as_str()?),
            "decimal" => Self::Decimal(value.as_str()?),
            "uuid" => Self::Uuid(value.get("hex")?.as_str()?.parse::<uuid::Uuid>().ok()?.to_string()),
            "bytes" => Self::Bytes(Cow::Borrowed(value.as_str()?.as_bytes())),
            "base64" => Self::Bytes(Cow::Owned(STANDARD.decode(value.as_str()?).ok()?)),
            _ => return None,
        })
    }

    /// The value as kombu writes it.
    pub fn to_value(&self) -> Value {
        let tagged = |kind: &str, value: Value| json!({"__type__": kind, "__value__": value});
        match self {
            Self::DateTime(text) => tagged("datetime", json!(text)),
            Self::Date(text) => tagged("date", json!(text)),
            Self::Time(text) => tagged("time", json!(text)),
            Self::Decimal(text) => tagged("decimal", json!(text)),
            Self::Uuid(text) => tagged("uuid", json!({"hex": text.replace('-', "")})),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => tagged("bytes", json!(text)),
                Err(_) => tagged("base64", json!(STANDARD.encode(bytes))),
            },
        }
    }

    /// The value as text, where it has one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::DateTime(text) | Self::Date(text) | Self::Time(text) | Self::Decimal(text) => Some(text),
            Self::Uuid(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }

    /// Python's `repr`, except of bytes, which is shown in more than one way.
    pub(super) fn repr(&self) -> String {
        match self {
            Self::DateTime(text) => date_time_repr(text).unwrap_or_else(|| format!("'{text}'")),
            Self::Date(text) => {
                numbers(text, '-').map_or_else(|| format!("'{text}'"), |day| call("date", &day, None))
            }
            Self::Time(text) => time_repr(text).unwrap_or_else(|| format!("'{text}'")),
            Self::Decimal(text) => format!("Decimal('{text}')"),
            Self::Uuid(text) => format!("UUID('{text}')"),
            Self::Bytes(bytes) => format!("b'{}'", hex::encode(bytes)),
        }
    }
}

fn date_time_repr(text: &str) -> Option<String> {
    let (day, time) = text.split_once(['T', ' '])?;
    let (clock, zone) = zoned(time)?;
    let numbers: Vec<u32> = numbers(day, '-')?.into_iter().chain(clock).collect();
    Some(call("datetime", &numbers, zone))
}

fn time_repr(text: &str) -> Option<String> {
    let (clock, zone) = zoned(text)?;
    Some(call("time", &clock, zone))
}

/// A clock's numbers without zeros at the end, as Python shows them, and its zone.
fn zoned(time: &str) -> Option<(Vec<u32>, Option<String>)> {
    let (clock, zone) = match time.find(['+', '-', 'Z']) {
        Some(at) => (&time[..at], Some(&time[at..])),
        None => (time, None),
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = numbers(whole, ':')?;
    clock.resize(3, 0);
    clock.push(format!("{fraction:0<6}").get(..6)?.parse().ok()?);
    while clock.len() > 2 && clock.last() == Some(&0) {
        clock.pop();
    }
    let zone = match zone {
        Some(zone) => Some(zone_repr(zone)?),
        None => None,
    };
    Some((clock, zone))
}

/// A zone as Python shows it; one that cannot be read makes the whole text unreadable.
fn zone_repr(zone: &str) -> Option<String> {
    let mut seconds = 0_i64;
    for (part, unit) in zone.trim_start_matches(['+', '-', 'Z']).split(':').zip([3600, 60, 1]) {
        if !part.is_empty() {
            // A clock's numbers have two digits each.
            seconds += i64::from(part.parse::<u8>().ok()?) * unit;
        }
    }
    if zone.starts_with('-') {
        seconds = -seconds;
    }
    Some(match (seconds, seconds.div_euclid(86_400)) {
        (0, _) => "datetime.timezone.utc".into(),
        (seconds, 0) => format!("datetime.timezone(datetime.timedelta(seconds={seconds}))"),
        (seconds, days) => {
            let seconds = seconds.rem_euclid(86_400);
            format!("datetime.timezone(datetime.timedelta(days={days}, seconds={seconds}))")
        }
    })
}

fn numbers(text: &str, between: char) -> Option<Vec<u32>> {
    text.split(between).map(|part| part.parse().ok()).collect()
}

fn call(class: &str, numbers: &[u32], zone: Option<String>) -> String {
    let zone = zone.map(|zone| format!("tzinfo={zone}"));
    let arguments: Vec<String> = numbers.iter().map(u32::to_string).chain(zone).collect();
    format!("datetime.{class}({})", arguments.join(", "))
}
