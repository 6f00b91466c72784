//! The text of a picture: drawing lots for it, comparing it with what a person typed, and its sealed form.

use std::fmt;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::seal::{KeyRing, OpenError, random_bytes};

/// Letters and digits that people tell apart when they are bent, and when they are spoken. There are 16 of them, so that
/// a random byte picks each equally often.
const LETTERS: &[u8; 16] = b"ACFHKMRTUXY34679";
/// A million texts: nobody guesses one in the one try that there is.
const LENGTH: usize = 5;

/// The text of a picture. It prints as stars.
#[derive(Clone, PartialEq, Eq)]
pub struct CaptchaText(Zeroizing<String>);

impl CaptchaText {
    /// A text from the operating system's random numbers.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: there is no safe way to go on.
    pub fn random() -> Self {
        let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
        Self(Zeroizing::new(random_bytes::<LENGTH>().map(letter).into_iter().collect()))
    }

    /// Whether a person typed it. Case and blanks around it do not count.
    pub fn matches(&self, typed: &str) -> bool {
        self.0.eq_ignore_ascii_case(typed.trim())
    }

    /// The form that is stored, which opens for this picture only.
    pub fn seal(&self, keys: &KeyRing, id: Uuid) -> String {
        keys.seal(&context(id), self.0.as_bytes())
    }

    /// Reads the form that is stored.
    pub fn open(keys: &KeyRing, id: Uuid, sealed: &str) -> Result<Self, OpenError> {
        let bytes = keys.open(&context(id), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| OpenError::Damaged)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The letters. Never log them.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CaptchaText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*****")
    }
}

fn context(id: Uuid) -> [String; 2] {
    ["captcha".to_owned(), id.to_string()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_text_has_five_letters_of_which_none_looks_like_another() {
        let mut seen = BTreeSet::new();
        for _ in 0..1000 {
            let text = CaptchaText::random();
            assert_eq!(text.expose().len(), LENGTH);
            seen.extend(text.expose().bytes());
        }

        assert_eq!(seen, LETTERS.iter().copied().collect());
        assert_eq!(seen.len(), 16, "a letter that stands twice would come more often");
        for look_alike in b"0ODQ1LI2Z5S8BGEVW" {
            assert!(!seen.contains(look_alike), "{}", char::from(*look_alike));
        }
    }

    #[test]
    fn case_and_blanks_around_it_do_not_count_and_all_else_does() {
        let text = CaptchaText(Zeroizing::new("AC34K".into()));

        for typed in ["AC34K", "ac34k", " aC34K\t", "\u{3000}AC34K\n"] {
            assert!(text.matches(typed), "{typed:?}");
        }
        for typed in ["", "AC34", "AC34KK", "AC 34K", "AC34H", "ＡC34K"] {
            assert!(!text.matches(typed), "{typed:?}");
        }
    }

    #[test]
    fn a_sealed_text_opens_for_its_picture_only() {
        let (keys, id) = (KeyRing::ephemeral(), Uuid::new_v4());
        let text = CaptchaText::random();
        let sealed = text.seal(&keys, id);

        assert_eq!(CaptchaText::open(&keys, id, &sealed), Ok(text.clone()));
        assert_eq!(CaptchaText::open(&keys, Uuid::new_v4(), &sealed), Err(OpenError::Damaged));
        assert_eq!(format!("{text:?}"), "*****");
    }
}
