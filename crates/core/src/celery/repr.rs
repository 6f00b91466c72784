//! Python's `repr` of JSON values, for what Celery's tools show as arguments and results.
//!
//! [`repr`], [`args_repr`] and [`kwargs_repr`] are Celery's `saferepr` with its limits: 1024 characters, three levels.
//! [`literal`] is `repr` itself, without limits. Both know the tagged values of kombu's JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::tagged::Tagged;

/// What tools show as the arguments of a task whose arguments are secret.
pub const MASKED_ARGS: &str = "('***',)";
/// What tools show as the keyword arguments of a task whose arguments are secret.
pub const MASKED_KWARGS: &str = "{'***': '***'}";

const MAX_CHARS: usize = 1024;
const MAX_LEVELS: usize = 3;

/// A value as Celery shows a result.
pub fn repr(value: &Value) -> String {
    let mut writer = Writer::new();
    writer.value(value, 0);
    writer.out
}

/// Positional arguments as Celery shows them, a Python tuple.
pub fn args_repr(args: &[Value]) -> String {
    let mut writer = Writer::new();
    writer.sequence(args, 0, ("(", if args.len() == 1 { ",)" } else { ")" }));
    writer.out
}

/// Keyword arguments as Celery shows them, a Python dict.
pub fn kwargs_repr(kwargs: &Map<String, Value>) -> String {
    let mut writer = Writer::new();
    writer.mapping(kwargs, 0);
    writer.out
}

/// A value exactly as Python's `repr` writes it, however long it is.
pub fn literal(value: &Value) -> String {
    let list = |items: Vec<String>, (open, close)| format!("{open}{}{close}", items.join(", "));
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => plain(value),
        Value::String(text) => quoted(text),
        Value::Array(items) => list(items.iter().map(literal).collect(), ('[', ']')),
        Value::Object(map) => match Tagged::of(value) {
            Some(Tagged::Bytes(bytes)) => bytes_literal(&bytes),
            Some(tagged) => tagged.repr(),
            None => {
                let pair = |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), literal(value));
                list(map.iter().map(pair).collect(), ('{', '}'))
            }
        },
    }
}

/// Writes until the limit is reached, then only closes what is open.
struct Writer {
    out: String,
    /// Characters that may still be written.
    left: usize,
    cut: bool,
}

impl Writer {
    fn new() -> Self {
        Self { out: String::new(), left: MAX_CHARS, cut: false }
    }

    fn value(&mut self, value: &Value, level: usize) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.put(|left| truncated(&plain(value), left));
            }
            Value::String(text) => self.put(|left| shown(text, left)),
            Value::Array(items) => self.sequence(items, level, ("[", "]")),
            Value::Object(map) => match Tagged::of(value) {
                Some(Tagged::Bytes(bytes)) => self.put(|left| bytes_shown(&bytes, left)),
                Some(tagged) => self.put(|left| truncated(&tagged.repr(), left)),
                None => self.mapping(map, level),
            },
        }
    }

    fn sequence(&mut self, items: &[Value], level: usize, (open, close): (&str, &str)) {
        if !self.open(level, open, close) {
            return;
        }
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.put(|_| ", ".into());
            }
            self.value(item, level + 1);
            if self.cut {
                break;
            }
        }
        self.close(close);
    }

    fn mapping(&mut self, map: &Map<String, Value>, level: usize) {
        if !self.open(level, "{", "}") {
            return;
        }
        for (n, (key, value)) in map.iter().enumerate() {
            if n > 0 {
                self.put(|_| ", ".into());
            }
            self.put(|left| shown(key, left));
            self.put(|_| ": ".into());
            self.value(value, level + 1);
            if self.cut {
                break;
            }
        }
        self.close("}");
    }

    /// Whether the container is open now: one that is too deep or beyond the limit is not.
    fn open(&mut self, level: usize, open: &str, close: &str) -> bool {
        if level >= MAX_LEVELS {
            self.put(|_| format!("{open}...{close}"));
            return false;
        }
        self.put(|_| open.into());
        !self.cut
    }

    /// Closing does not count against the limit once it is reached.
    fn close(&mut self, text: &str) {
        self.out.push_str(text);
        self.left = self.left.saturating_sub(text.len());
    }

    fn put(&mut self, text: impl FnOnce(usize) -> String) {
        if self.cut {
        } else if self.left == 0 {
            self.out.push_str(", ...");
            self.cut = true;
        } else {
            let text = text(self.left);
            self.left = self.left.saturating_sub(text.chars().count());
            self.out.push_str(&text);
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => float_repr(float),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Python writes an exponent below 1e-4 and from 1e16 on, with a sign and at least two digits.
fn float_repr(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float == 0.0 || (-4..16).contains(&exponent) {
        let text = float.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Celery's way to cut a text: at the last space before the limit.
fn truncated(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit.saturating_sub(1)) {
        None => text.into(),
        Some((last, char)) => {
            let head = &text[..last + char.len_utf8()];
            format!("{}...", head.rsplit_once(' ').map_or(head, |(before, _)| before))
        }
    }
}

/// Celery escapes nothing but the quote.
fn shown(text: &str, limit: usize) -> String {
    format!("'{}'", truncated(text, limit).replace('\'', "\\'"))
}

fn bytes_shown(bytes: &[u8], limit: usize) -> String {
    let (head, rest) = if bytes.len() > limit { (&bytes[..limit], "...") } else { (bytes, "") };
    let text = std::str::from_utf8(head).map_or_else(|_| hex::encode(head), str::to_owned);
    format!("b'{text}{rest}'")
}

/// Double quotes where the text has single ones only.
fn quote_for(text: &str) -> char {
    if text.contains('\'') && !text.contains('"') { '"' } else { '\'' }
}

fn quoted(text: &str) -> String {
    let quote = quote_for(text);
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char == quote => out.extend(['\\', char]),
            char if char.is_control() && u32::from(char) < 0x100 => {
                write!(out, "\\x{:02x}", u32::from(char)).expect("a String takes any text");
            }
            char => out.push(char),
        }
    }
    out.push(quote);
    out
}

fn bytes_literal(bytes: &[u8]) -> String {
    let printable: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let quote = quote_for(&printable);
    let mut out = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte if char::from(*byte) == quote => out.extend(['\\', quote]),
            0x20..0x7f => out.push(char::from(*byte)),
            byte => write!(out, "\\x{byte:02x}").expect("a String takes any text"),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
#[path = "repr_tests.rs"]
mod tests;
