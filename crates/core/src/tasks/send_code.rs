//! `sms.send_code`: send a verification's code. Number and code travel sealed.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::code::Code;
use crate::config::duration_text;
use crate::phone::PhoneNumber;
use crate::seal::{KeyRing, OpenError};
use crate::task::{RetryPolicy, Task};
use crate::verification::VerificationId;

/// The payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendCode {
    /// The verification that the code belongs to.
    pub verification: VerificationId,
    /// Whose it is.
    pub app: String,
    /// What it is for.
    pub purpose: String,
    /// The masked number, for logs and for people who look at dead letters.
    pub to: String,
    /// When the code runs out; it is not sent after that.
    pub not_after: Timestamp,
    /// The whole life of the code, which the SMS tells in minutes.
    #[serde(with = "duration_text")]
    pub life: Duration,
    /// Number and code, sealed and bound to the verification, its app and its purpose.
    pub sealed: String,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub struct SealedCode {
    /// The number.
    pub to: PhoneNumber,
    code: String,
}

impl Task for SendCode {
    const NAME: &'static str = "sms.send_code";
    const QUEUE: &'static str = "sms";
    const RETRY: RetryPolicy = RetryPolicy::exponential(Duration::from_secs(3)).max_retries(3);
    const IGNORE_RESULT: bool = true;
    const SENSITIVE: bool = true;
}

impl SendCode {
    /// Seals number and code for the worker.
    pub fn seal(
        keys: &KeyRing,
        verification: VerificationId,
        app: &str,
        purpose: &str,
        (not_after, life): (Timestamp, Duration),
        (to, code): (&PhoneNumber, &Code),
    ) -> Self {
        let mut this = Self {
            verification,
            app: app.to_owned(),
            purpose: purpose.to_owned(),
            to: to.masked(),
            not_after,
            life,
            sealed: String::new(),
        };
        let content = SealedCode { to: to.clone(), code: code.expose().to_owned() };
        let plain = Zeroizing::new(serde_json::to_vec(&content).expect("two texts are JSON"));
        this.sealed = keys.seal(&this.context(), &plain);
        this
    }

    /// Opens number and code.
    pub fn open(&self, keys: &KeyRing) -> Result<SealedCode, OpenError> {
        let plain = keys.open(&self.context(), &self.sealed)?;
        serde_json::from_slice(&plain).map_err(|_| OpenError::Damaged)
    }

    fn context(&self) -> [String; 4] {
        [Self::NAME.into(), self.app.clone(), self.verification.to_string(), self.purpose.clone()]
    }
}

impl SealedCode {
    /// The code.
    pub fn code(&self) -> Result<Code, crate::code::InvalidCode> {
        Code::parse(&self.code)
    }
}
