//! SMS providers: one call that hands one message to whoever sends it, and what is known afterwards.
//!
//! A [`Provider`] makes one attempt. It owns the wire format, the signature, the timeouts and the reading of the
//! answer; it does not retry, does not look at the code's end of life and does not record anything: that is the
//! handler's. `reqwest` is named only below this module. [`config`] says what can be configured and builds the
//! provider that was chosen.

mod class;
pub mod config;
mod console;
#[cfg(test)]
mod double;
mod http;
mod redact;
mod webhook;
mod yuntongxun;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use postrider_core::code::Code;
use postrider_core::phone::PhoneNumber;

pub use class::{Class, UnknownClass};
pub use config::{ProviderConfigError, ProviderKind, ProvidersConfig, SmsConfig, build};
pub use console::Console;

/// Sends verification codes. An open set: implement it for a provider that is not here.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The name in logs, metrics and records, for example `yuntongxun`.
    fn name(&self) -> &str;

    /// Whether the provider drops a second request with the same [`SendRequest::id`].
    ///
    /// Only then may an [`Outcome::Unknown`] be tried again without the risk of a second SMS.
    fn dedupes(&self) -> bool;

    /// Makes one attempt. It always ends within the configured timeout.
    async fn send(&self, request: &SendRequest) -> Outcome;
}

/// One message for one number. Its `Debug` shows stars instead of the code and of the number's middle.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// The task's id. It stays the same on every attempt: it is the key that providers recognise a repetition by.
    pub id: String,
    /// Who gets the message.
    pub to: PhoneNumber,
    /// The code in it.
    pub code: Code,
    /// How long the code lives, in minutes, as the text of the message says it.
    pub minutes: u32,
    /// What the code is for, for example `login`.
    pub purpose: String,
    /// How many times this id has been handed to the provider, this time included: the first attempt is 1.
    ///
    /// Count an attempt that may have begun (a redelivered task) as one, for a "duplicate" is read by it.
    pub attempt: u32,
}

/// What is known after an attempt.
///
/// Not a `Result`: there are three ends, and the compiler makes every caller handle [`Outcome::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took the message. It need not have been delivered.
    Accepted(Receipt),
    /// The message was certainly not taken. [`Class::retryable`] says whether another attempt may help.
    Rejected(Failure),
    /// The provider may or may not have taken the message: a timeout or a broken connection after the request was
    /// written, a server error, an answer that cannot be read.
    Unknown(Failure),
}

/// What the provider says about a message that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's own id of the message, by which it reports the delivery later.
    pub provider_id: Option<String>,
}

/// Why a message was not taken, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is, which decides what happens next.
    pub class: Class,
    /// The provider's code for it, or a word of ours (`connect`, `timeout`, `http_502`).
    pub code: String,
    /// The provider's or the system's explanation. Digits are starred, so it holds neither the number nor the code.
    pub message: String,
    /// The HTTP status, where there was an answer.
    pub http: Option<u16>,
    /// How long the provider asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without an HTTP answer. The message is redacted here, so that no caller can forget it.
    pub fn new(class: Class, code: impl Into<String>, message: &str) -> Self {
        Self { class, code: code.into(), message: redact::text(message), http: None, retry_after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.class, self.code, self.message)
    }
}

impl From<Failure> for Outcome {
    /// [`Class::Ambiguous`] is unknown, every other class a definite refusal.
    fn from(failure: Failure) -> Self {
        if failure.class == Class::Ambiguous { Self::Unknown(failure) } else { Self::Rejected(failure) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_neither_its_code_nor_its_number() {
        let request = double::request(1);

        let shown = format!("{request:?}");

        assert!(!shown.contains("123456") && !shown.contains("13800138000"), "{shown}");
        assert!(shown.contains("+86138****8000"), "{shown}");
    }

    #[test]
    fn only_the_ambiguous_class_is_an_unknown_outcome() {
        for class in Class::ALL {
            let unknown = matches!(Outcome::from(Failure::new(class, "x", "y")), Outcome::Unknown(_));

            assert_eq!(unknown, class == Class::Ambiguous, "{class}");
        }
    }
}
