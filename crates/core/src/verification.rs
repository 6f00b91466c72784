//! A verification: one code on its way to one number, and what became of it.
//!
//! What is kept of it holds neither the code nor the whole number.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a verification: `vrf_` and 32 hex digits, 122 bits of them random.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerificationId(Uuid);

/// The text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a verification id is vrf_ and 32 lower-case hex digits")]
pub struct InvalidId;

/// A verification as its caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// What the code is for; a code for one purpose does not pass for another.
    pub purpose: String,
    /// The masked number.
    pub to: String,
    /// Where it stands.
    pub status: Status,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When the code runs out.
    pub expires_at: Timestamp,
    /// When the number may be sent another.
    pub resend_at: Timestamp,
    /// When the right code was given.
    pub approved_at: Option<Timestamp>,
    /// Guesses that are left.
    pub checks_left: u32,
    /// What became of the SMS.
    pub delivery: DeliveryState,
}

/// Where a verification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waiting for the code.
    Pending,
    /// The right code was given.
    Approved,
    /// The code ran out.
    Expired,
    /// All guesses are used up.
    Locked,
}

/// What became of the SMS, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// On its way to a provider.
    Queued,
    /// A provider has taken it.
    Sent,
    /// It was not sent and will not be.
    Failed,
    /// The code ran out before it could be sent.
    Expired,
    /// A provider may have taken it.
    Unknown,
}

impl VerificationId {
    /// A fresh id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The verification that a task of that id sends the code of, if our producer made the task.
    pub fn of_task(task: &str) -> Option<Self> {
        Uuid::try_parse(task).ok().map(Self)
    }

    /// The id of the task that sends its code, so that both are one thing in logs and records.
    pub fn task_id(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for VerificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vrf_{}", self.0.simple())
    }
}

impl FromStr for VerificationId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.strip_prefix("vrf_").filter(|digits| digits.len() == 32).ok_or(InvalidId)?;
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidId);
        }
        Uuid::try_parse(digits).map(Self).map_err(|_| InvalidId)
    }
}

impl TryFrom<String> for VerificationId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<VerificationId> for String {
    fn from(id: VerificationId) -> Self {
        id.to_string()
    }
}

impl DeliveryState {
    /// The text form, also in Redis.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for DeliveryState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Queued, Self::Sent, Self::Failed, Self::Expired, Self::Unknown]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(())
    }
}
