//! Phone numbers: parsing, the policy of which numbers may get a code, and the masked form.
//!
//! A [`PhoneNumber`] is canonical E.164, so that `138…`, `+86138…` and `0086 138-…` are one number and one throttle.
//! Its `Debug` is masked and it has no `Display`: the digits leave the type only through [`PhoneNumber::e164`].

use std::fmt;
use std::str::FromStr;

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, ParseError, Type};
use serde::{Deserialize, Serialize};

/// Longest E.164 number, digits without the plus sign (ITU-T E.164).
const MAX_DIGITS: usize = 15;
/// Longest text that is looked at at all.
const MAX_INPUT: usize = 40;

/// A phone number in E.164 form.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// How closely a number is held against the numbering plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PhoneCheck {
    /// The country exists and the length is one that it uses.
    Possible,
    /// The number lies in a range that the country has assigned to mobile phones.
    #[default]
    Valid,
}

/// Which numbers may be sent a code.
#[derive(Debug, Clone, Default)]
pub struct PhonePolicy {
    /// How closely a number is held against the numbering plan.
    pub check: PhoneCheck,
    /// E.164 prefixes that are accepted although the metadata does not know them.
    pub extra_ranges: Vec<String>,
    /// E.164 prefixes that never get a code.
    pub denied_ranges: Vec<String>,
}

/// Why a number is not accepted. The texts say what to send instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// A character that a phone number does not have.
    #[error("the number may hold ASCII digits, spaces, and + - . ( ) only")]
    Characters,
    /// Not an international number, and no region to read it in.
    #[error("the number must be in E.164 form, for example +8613800138000")]
    NotInternational,
    /// Not a phone number at all, or an unknown country code.
    #[error("the number is not a phone number: use E.164 form, for example +8613800138000")]
    Unparsable,
    /// Too long or too short for its country.
    #[error("the number has the wrong length for its country")]
    Length,
    /// Not a mobile number.
    #[error("the number is not a mobile number")]
    NotMobile,
    /// In a range that the operator of this service has denied.
    #[error("the number is in a range that gets no codes here")]
    Denied,
    /// The region is not one that the metadata knows.
    #[error("the region must be an ISO 3166-1 code such as CN")]
    Region,
}

impl PhoneNumber {
    /// Reads a number as a person or a program wrote it.
    ///
    /// Without `region` the number must be international (`+…` or `00…`). With it, national numbers are read in that
    /// region. Extensions, letters and digits outside ASCII are refused, never dropped.
    pub fn parse(input: &str, region: Option<Region>, policy: &PhonePolicy) -> Result<Self, PhoneError> {
        let text = international_form(input)?;
        if !text.starts_with('+') && region.is_none() {
            return Err(PhoneError::NotInternational);
        }
        let text = match region {
            Some(Region::CN) if !text.starts_with('+') => format!("+86{}", text.trim_start_matches('0')),
            _ => text,
        };
        // The library would read the first digits of some mainland numbers as a carrier's code and drop them.
        if text.starts_with("+86") {
            let number = Self(text);
            number.check_ranges(policy, |number| mainland_mobile(&number.0[3..]))?;
            return Ok(number);
        }
        let parsed =
            phonenumber::parse(region.map(|region| region.0), &text).map_err(|error| match error {
                ParseError::TooLong | ParseError::TooShortNsn | ParseError::TooShortAfterIdd => {
                    PhoneError::Length
                }
                _ => PhoneError::Unparsable,
            })?;
        let number = Self(parsed.format().mode(Mode::E164).to_string());
        number.check_ranges(policy, |number| number.check_plan(&parsed, policy.check))?;
        Ok(number)
    }

    fn check_ranges(
        &self,
        policy: &PhonePolicy,
        plan: impl FnOnce(&Self) -> Result<(), PhoneError>,
    ) -> Result<(), PhoneError> {
        let has_prefix = |ranges: &[String]| ranges.iter().any(|range| self.0.starts_with(range.as_str()));
        if self.0.len() - 1 > MAX_DIGITS {
            Err(PhoneError::Length)
        } else if has_prefix(&policy.denied_ranges) {
            Err(PhoneError::Denied)
        } else if has_prefix(&policy.extra_ranges) {
            Ok(())
        } else {
            plan(self)
        }
    }

    fn check_plan(&self, parsed: &phonenumber::PhoneNumber, check: PhoneCheck) -> Result<(), PhoneError> {
        let metadata = parsed.metadata(&DATABASE).ok_or(PhoneError::Unparsable)?;
        let national = self.0.strip_prefix(&format!("+{}", parsed.code().value())).unwrap_or(&self.0);
        let length = u16::try_from(national.len()).unwrap_or(u16::MAX);
        let plans = [metadata.descriptors().mobile(), metadata.descriptors().fixed_line()];
        if !plans.into_iter().flatten().any(|plan| plan.possible_length().contains(&length)) {
            return Err(PhoneError::Length);
        }
        if check == PhoneCheck::Possible {
            return Ok(());
        }
        match parsed.number_type(&DATABASE) {
            Type::Mobile | Type::FixedLineOrMobile => Ok(()),
            _ => Err(PhoneError::NotMobile),
        }
    }

    /// The number in E.164 form. It is personal data: never log it, show [`PhoneNumber::masked`].
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// The number as it is dialled inside mainland China, or E.164 for every other country.
    ///
    /// This is the form that the tutorial's Celery task and YunTongXun take.
    pub fn domestic(&self) -> &str {
        self.0.strip_prefix("+86").unwrap_or(&self.0)
    }

    /// The number with its middle digits starred, as `+86138****8000`.
    pub fn masked(&self) -> String {
        mask(&self.0)
    }

    /// Loads the numbering plan, which otherwise costs the first request about 60 ms.
    pub fn warm_up() {
        let _loaded: &phonenumber::metadata::Database = &DATABASE;
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = PhoneError;

    /// Takes a number that is E.164 already, for example from a task's payload.
    fn try_from(text: String) -> Result<Self, PhoneError> {
        let digits = text.strip_prefix('+').ok_or(PhoneError::NotInternational)?;
        if digits.is_empty() || digits.starts_with('0') || digits.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Err(PhoneError::Unparsable);
        }
        if digits.len() > MAX_DIGITS { Err(PhoneError::Length) } else { Ok(Self(text)) }
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// A region that national numbers are read in, by its ISO 3166-1 alpha-2 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(Id);

impl FromStr for Region {
    type Err = PhoneError;

    fn from_str(text: &str) -> Result<Self, PhoneError> {
        text.parse().map(Self).map_err(|_| PhoneError::Region)
    }
}

impl Region {
    /// Mainland China, which the tutorial's numbers imply.
    pub const CN: Self = Self(Id::CN);
}

/// Stars the middle of a number or of anything that may be one; at most the first six and last four characters stay.
pub fn mask(number: &str) -> String {
    let chars: Vec<char> = number.chars().collect();
    let (head, tail) =
        if chars.len() >= 12 { (chars.len() - 8, 4) } else { (chars.len() / 3, chars.len() / 4) };
    let (head, stars) = (head.min(6), chars.len() - head.min(6) - tail);
    chars[..head].iter().chain(&vec!['*'; stars]).chain(&chars[chars.len() - tail..]).collect()
}

fn international_form(input: &str) -> Result<String, PhoneError> {
    let trimmed = input.trim_matches(' ');
    if trimmed.is_empty() || trimmed.len() > MAX_INPUT {
        return Err(PhoneError::Length);
    }
    if !trimmed.bytes().all(|byte| byte.is_ascii_digit() || b" +-.()".contains(&byte)) {
        return Err(PhoneError::Characters);
    }
    let digits: String = trimmed.chars().filter(char::is_ascii_digit).collect();
    match trimmed.rfind('+') {
        Some(0) => Ok(format!("+{digits}")),
        Some(_) => Err(PhoneError::Characters),
        None => Ok(digits.strip_prefix("00").map_or(digits.clone(), |rest| format!("+{rest}"))),
    }
}

/// The carriers' ranges grow faster than the metadata; the plan itself is fixed: 1, then 3 to 9, then nine digits.
fn mainland_mobile(national: &str) -> Result<(), PhoneError> {
    let bytes = national.as_bytes();
    match bytes {
        [b'1', second, ..] if (b'3'..=b'9').contains(second) => {
            if bytes.len() == 11 {
                Ok(())
            } else {
                Err(PhoneError::Length)
            }
        }
        [b'1', ..] if bytes.len() != 11 => Err(PhoneError::Length),
        _ => Err(PhoneError::NotMobile),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str, region: Option<&str>) -> Result<String, PhoneError> {
        let region = region.map(|region| region.parse().unwrap());
        PhoneNumber::parse(input, region, &PhonePolicy::default()).map(|number| number.0)
    }

    #[test]
    fn every_way_to_write_a_number_is_one_number() {
        for input in [
            "13800138000",
            "+8613800138000",
            "0086 138-0013-8000",
            " +86 (138) 0013.8000 ",
            "008613800138000",
        ] {
            assert_eq!(parse(input, Some("CN")).as_deref(), Ok("+8613800138000"), "{input}");
        }
        assert_eq!(parse("+44 7911 123456", None).as_deref(), Ok("+447911123456"));
    }

    #[test]
    fn what_is_not_a_mobile_number_is_refused_with_its_reason() {
        let cases = [
            ("13800138000", PhoneError::NotInternational),
            ("+86138001380", PhoneError::Length),
            ("+86138001380001", PhoneError::Length),
            ("+8612800138000", PhoneError::NotMobile),
            ("+8610000000000", PhoneError::NotMobile),
            ("+861012345678", PhoneError::Length),
            ("１３８００１３８０００", PhoneError::Characters),
            ("+8613800138000;ext=1", PhoneError::Characters),
            ("+86\u{0}13800138000", PhoneError::Characters),
            ("+86138\n00138000", PhoneError::Characters),
            ("+442079460000", PhoneError::NotMobile),
            ("+9991234567", PhoneError::Unparsable),
            ("+86+13800138000", PhoneError::Characters),
            ("", PhoneError::Length),
            ("+", PhoneError::Unparsable),
        ];
        for (input, expected) in cases {
            assert_eq!(parse(input, None), Err(expected), "{input:?}");
        }
    }

    #[test]
    fn new_mainland_ranges_pass_and_the_policy_decides_the_rest() {
        for second in 3..=9 {
            assert!(parse(&format!("+861{second}012345678"), None).is_ok());
        }
        let policy = PhonePolicy {
            check: PhoneCheck::Valid,
            extra_ranges: vec!["+44207".into()],
            denied_ranges: vec!["+86170".into(), "+86171".into()],
        };
        let parse = |input| PhoneNumber::parse(input, None, &policy).map(|number| number.0);
        assert_eq!(parse("+8617012345678"), Err(PhoneError::Denied));
        assert_eq!(parse("+442079460000").as_deref(), Ok("+442079460000"));
    }

    #[test]
    fn a_possible_number_need_not_be_assigned() {
        let policy = PhonePolicy { check: PhoneCheck::Possible, ..PhonePolicy::default() };

        assert!(PhoneNumber::parse("+442079460000", None, &policy).is_ok());
        assert!(PhoneNumber::parse("+4420794600001", None, &policy).is_err());
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_shown() {
        let number = PhoneNumber("+8613800138000".into());

        assert_eq!(number.masked(), "+86138****8000");
        assert_eq!(format!("{number:?}"), "+86138****8000");
        assert_eq!(mask("13800138000"), "138******00");
        assert_eq!(mask("+4479"), "+***9");
    }
}
