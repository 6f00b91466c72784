//! An argument of a script.

use deadpool_redis::redis::Cmd;

/// An argument of a script. Scripts see text, whatever it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Number(i64),
    Text(String),
}

impl Arg {
    pub(super) fn write(&self, call: &mut Cmd) {
        match &self.0 {
            Kind::Number(number) => call.arg(*number),
            Kind::Text(text) => call.arg(text.as_str()),
        };
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self(Kind::Number(number))
    }
}

impl From<usize> for Arg {
    fn from(number: usize) -> Self {
        Self(Kind::Text(number.to_string()))
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self(Kind::Text(text.to_owned()))
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self(Kind::Text(text))
    }
}
