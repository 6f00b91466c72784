//! Verification codes: drawing, reading and wiping them.
//!
//! A [`Code`] prints as stars and has no `Display`. Where it is stored or sent is decided elsewhere: `codes` keeps a
//! keyed MAC, `seal` encrypts it for the task.

use std::fmt;

use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

/// Digits of a code: 6 digits are 20 bits, what NIST SP 800-63B asks for at least.
pub const CODE_DIGITS: usize = 6;

const CODES: u32 = 1_000_000;

/// A verification code of six decimal digits, leading zeros kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Zeroizing<String>);

/// The text is not six ASCII digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code must be a string of {CODE_DIGITS} ASCII digits")]
pub struct InvalidCode;

/// The text is not a code that a shop would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code must be 4 to 10 ASCII letters and digits")]
pub struct InvalidShopCode;

impl Code {
    /// Draws a code from the operating system's random numbers, each of the million equally likely.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: there is no safe way to go on.
    pub fn random() -> Self {
        Self::from_bits(|| SysRng.try_next_u32().expect("the operating system gives random numbers"))
    }

    /// Rejects the incomplete last run of a million, so that no code is likelier than another.
    fn from_bits(mut bits: impl FnMut() -> u32) -> Self {
        const ZONE: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            let drawn = bits();
            if drawn < ZONE {
                return Self(Zeroizing::new(format!("{:06}", drawn % CODES)));
            }
        }
    }

    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        let digits = text.len() == CODE_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(InvalidCode) }
    }

    /// Takes a code that another program drew, in its form: 4 to 10 ASCII letters and digits.
    pub fn from_shop(text: &str) -> Result<Self, InvalidShopCode> {
        let good = (4..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if good { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(InvalidShopCode) }
    }

    /// The digits. Never log them.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_reaches_both_ends_and_rejects_the_incomplete_run() {
        let draw = |values: &[u32]| {
            let mut values = values.iter().copied();
            Code::from_bits(|| values.next().unwrap()).expose().to_owned()
        };

        assert_eq!(draw(&[0]), "000000");
        assert_eq!(draw(&[999_999]), "999999");
        assert_eq!(draw(&[1_000_042]), "000042");
        assert_eq!(draw(&[4_293_999_999]), "999999");
        assert_eq!(draw(&[4_294_000_000, u32::MAX, 7]), "000007");
    }

    #[test]
    fn every_digit_is_equally_likely_at_every_place() {
        // 60,000 codes; chi-square with 9 degrees of freedom exceeds 36 once in 30,000 samples of an even source.
        let mut counts = [[0_u32; 10]; CODE_DIGITS];
        for _ in 0..60_000 {
            for (place, digit) in Code::random().expose().bytes().enumerate() {
                counts[place][usize::from(digit - b'0')] += 1;
            }
        }
        for place in counts {
            let chi: f64 = place.iter().map(|count| (f64::from(*count) - 6000.0).powi(2) / 6000.0).sum();
            assert!(chi < 45.0, "{place:?}");
        }
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        assert!(Code::parse("012345").is_ok());
        for text in ["12345", "1234567", "12345a", "１２３４５６", " 12345", ""] {
            assert_eq!(Code::parse(text), Err(InvalidCode), "{text:?}");
        }
        assert_eq!(format!("{:?}", Code::parse("012345").unwrap()), "******");
    }
}
