//! What a code is for. A code that was asked for one purpose does not pass for another.

use std::str::FromStr;

/// The longest name.
const MAX_LENGTH: usize = 32;

/// The name of a purpose, as `login` or `reset_password`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Purpose(String);

/// The text is not the name of a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidPurpose;

impl Purpose {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Purpose {
    fn default() -> Self {
        Self("default".into())
    }
}

impl FromStr for Purpose {
    type Err = InvalidPurpose;

    fn from_str(text: &str) -> Result<Self, InvalidPurpose> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let later = |byte: u8| first(byte) || b"_.-".contains(&byte);
        match text.as_bytes() {
            [head, tail @ ..]
                if first(*head) && text.len() <= MAX_LENGTH && tail.iter().all(|b| later(*b)) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(InvalidPurpose),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_a_short_lower_case_name() {
        for text in ["login", "0", "reset_password", "a.b-c", &"a".repeat(32)] {
            assert_eq!(text.parse::<Purpose>().unwrap().as_str(), text);
        }
        for text in ["", "Login", "_a", ".a", "a b", "a\n", "登录", "a:b", &"a".repeat(33)] {
            assert_eq!(text.parse::<Purpose>(), Err(InvalidPurpose), "{text:?}");
        }
    }
}
