//! The classes of failures, by which everything after an attempt is decided, and their names in data and configuration.
//!
//! Providers' own codes never leave their module as a decision: a table turns each into a [`Class`].

use std::fmt;
use std::str::FromStr;

use super::{Failure, Outcome, Receipt};

/// What kind of failure an attempt ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The number is wrong or cannot get an SMS.
    RecipientInvalid,
    /// The person opted out, or the number is on a blacklist. Another provider must not be tried either.
    RecipientBlocked,
    /// The provider's own cap for this number is reached.
    RecipientLimited,
    /// A forbidden word, too long, or a bad variable.
    Content,
    /// Template, sender or endpoint are not set up at the provider as they are here.
    Config,
    /// The request is malformed: a defect of this program.
    RequestBug,
    /// Signature, key, clock or caller's address were refused.
    Credentials,
    /// No balance, or the account is suspended.
    Account,
    /// The account's daily or monthly cap is reached.
    Quota,
    /// Too many requests at once; this one was not processed.
    Throttled,
    /// The provider says that it failed inside, or a code that no table knows.
    Transient,
    /// The request may have been processed.
    Ambiguous,
    /// Nothing was written: no address, no connection, no TLS.
    NotSent,
}

/// A text that names no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of {}", Class::ALL.map(Class::as_str).join(", "))]
pub struct UnknownClass;

impl Class {
    /// Every class.
    pub const ALL: [Self; 13] = [
        Self::RecipientInvalid,
        Self::RecipientBlocked,
        Self::RecipientLimited,
        Self::Content,
        Self::Config,
        Self::RequestBug,
        Self::Credentials,
        Self::Account,
        Self::Quota,
        Self::Throttled,
        Self::Transient,
        Self::Ambiguous,
        Self::NotSent,
    ];

    /// The name in data files, configuration, metrics and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RecipientInvalid => "recipient_invalid",
            Self::RecipientBlocked => "recipient_blocked",
            Self::RecipientLimited => "recipient_limited",
            Self::Content => "content",
            Self::Config => "config",
            Self::RequestBug => "request_bug",
            Self::Credentials => "credentials",
            Self::Account => "account",
            Self::Quota => "quota",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
            Self::NotSent => "not_sent",
        }
    }

    /// Whether the same request to the same provider may succeed later, with no risk of a second SMS.
    ///
    /// [`Class::Ambiguous`] is not: whether it is tried again is a matter of policy and of [`super::Provider::dedupes`].
    pub const fn retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient | Self::NotSent)
    }

    /// What an HTTP status says by itself, where the body says nothing.
    ///
    /// A redirect is a wrong address: it is never followed, for it would carry the code to somewhere nobody configured.
    /// 408 and the 5xx may come from a proxy after the provider had the request, and 409 says that one with this key is
    /// or was being processed, so none of them is a refusal.
    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            300..=399 | 404 | 405 | 410 => Self::Config,
            401 | 403 => Self::Credentials,
            429 => Self::Throttled,
            408 | 409 => Self::Ambiguous,
            400..=499 => Self::RequestBug,
            _ => Self::Ambiguous,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or(UnknownClass)
    }
}

/// What a provider's code stands for: the classes, and the two that are not failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `accepted`: the message was taken.
    Accepted,
    /// `duplicate_request`: the provider has seen this id before.
    Duplicate,
    /// A failure.
    Failed(Class),
}

impl Meaning {
    /// The outcome of an attempt that was answered so. `failure` describes it, should it be one; its class is set here.
    ///
    /// A duplicate on a later attempt is the first one's acceptance, the answer to which was lost. On the first attempt
    /// somebody else used the id (a count was lost): it may have been sent, and nobody here knows.
    pub(super) fn outcome(self, attempt: u32, receipt: Receipt, failure: Failure) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted(receipt),
            Self::Duplicate if attempt > 1 => Outcome::Accepted(receipt),
            Self::Duplicate => Failure { class: Class::Ambiguous, ..failure }.into(),
            Self::Failed(class) => Failure { class, ..failure }.into(),
        }
    }
}

impl FromStr for Meaning {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        match text {
            "accepted" => Ok(Self::Accepted),
            "duplicate_request" => Ok(Self::Duplicate),
            class => class.parse().map(Self::Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_reads_back_from_its_name_and_few_are_retryable() {
        for class in Class::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert_eq!("unknown".parse::<Class>(), Err(UnknownClass));
        assert!(UnknownClass.to_string().ends_with("transient, ambiguous, not_sent"));

        let retryable: Vec<Class> = Class::ALL.into_iter().filter(|class| class.retryable()).collect();
        assert_eq!(retryable, [Class::Throttled, Class::Transient, Class::NotSent]);
    }

    #[test]
    fn a_bare_status_is_a_refusal_only_where_it_cannot_mean_that_the_message_was_taken() {
        let cases = [
            (200, Class::Ambiguous),
            (302, Class::Config),
            (308, Class::Config),
            (400, Class::RequestBug),
            (401, Class::Credentials),
            (404, Class::Config),
            (408, Class::Ambiguous),
            (409, Class::Ambiguous),
            (422, Class::RequestBug),
            (429, Class::Throttled),
            (500, Class::Ambiguous),
            (503, Class::Ambiguous),
            (599, Class::Ambiguous),
        ];
        for (status, class) in cases {
            assert_eq!(Class::of_status(status), class, "{status}");
        }
    }
}
