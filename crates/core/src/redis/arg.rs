//! An argument of a script: text, whatever it was.

/// An argument of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg(String);

impl Arg {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl From<usize> for Arg {
    fn from(number: usize) -> Self {
        Self(number.to_string())
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self(text)
    }
}
