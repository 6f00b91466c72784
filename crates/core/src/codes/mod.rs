//! The codes that wait for their check: compared, used once, withdrawn. [`issuance`](crate::issuance) keeps them.
//!
//! What is stored is a keyed MAC of the code. A check counts the guess before it compares, and is one atomic step, so
//! that no number of parallel guesses buys a sixth. The memory adapter is the model of the scripts: one suite tests both.

mod memory;
mod redis;

use std::time::Duration;

pub use memory::MemoryCodes;
pub use redis::RedisCodes;

use crate::clock::from_millis;
use crate::redis::StoreError;
use crate::verification::{DeliveryState, Status, Verification, VerificationId};

/// The Lua function `note_delivery(key, state)`: for a script that writes down what became of an SMS beside what it does
/// to keys of its own. `key` is [`RedisCodes::key`], `state` the name of a [`DeliveryState`].
pub const NOTE_DELIVERY: &str = include_str!("note_delivery.lua");
/// How long a verification can still be read after its code ran out.
pub const RETENTION: Duration = Duration::from_hours(24);

/// Keeps codes. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Codes {
    /// Shared by all processes on one Redis.
    Redis(RedisCodes),
    /// In this process.
    Memory(MemoryCodes),
}

/// A code to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCode {
    /// The verification.
    pub id: VerificationId,
    /// Whose it is.
    pub app: String,
    /// What it is for.
    pub purpose: String,
    /// The masked number.
    pub to: String,
    /// The keyed hash of app, purpose and number, for checks that know no id.
    pub latest: String,
    /// The code's MAC.
    pub mac: String,
    /// How long it can be checked, from the instant of its slot.
    pub ttl: Duration,
    /// Guesses.
    pub max_checks: u32,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The right code, for the first time.
    Approved(Verification),
    /// A wrong code; it cost a guess.
    Incorrect {
        /// Guesses that are left.
        checks_left: u32,
    },
    /// The code had run out.
    Expired,
    /// The right code was given before.
    Consumed,
    /// All guesses were used up; nothing was compared.
    Exhausted,
    /// There is no such verification for this app.
    NotFound,
}

impl Codes {
    /// Takes a code back, as if it had never been issued.
    pub async fn withdraw(&self, code: &NewCode) -> Result<(), StoreError> {
        match self {
            Self::Redis(redis) => redis.withdraw(code).await,
            Self::Memory(memory) => {
                memory.withdraw(code);
                Ok(())
            }
        }
    }

    /// Compares a guess, given as its MAC under every key that is still read.
    pub async fn check(
        &self,
        id: &VerificationId,
        app: &str,
        macs: &[String],
    ) -> Result<Verdict, StoreError> {
        match self {
            Self::Redis(redis) => redis.check(id, app, macs).await,
            Self::Memory(memory) => Ok(memory.check(id, app, macs)),
        }
    }

    /// The newest verification of a number and purpose, under whichever of the hashes it is known.
    pub async fn latest(&self, hashes: &[String]) -> Result<Option<VerificationId>, StoreError> {
        match self {
            Self::Redis(redis) => redis.latest(hashes).await,
            Self::Memory(memory) => Ok(memory.latest(hashes)),
        }
    }

    /// Reads a verification; costs no guess.
    pub async fn get(&self, id: &VerificationId, app: &str) -> Result<Option<Verification>, StoreError> {
        match self {
            Self::Redis(redis) => redis.get(id, app).await,
            Self::Memory(memory) => Ok(memory.get(id, app)),
        }
    }

    /// Writes down what became of the SMS. Nothing replaces `sent`. `false` when there is no such verification.
    pub async fn delivery(&self, id: &VerificationId, state: DeliveryState) -> Result<bool, StoreError> {
        match self {
            Self::Redis(redis) => redis.delivery(id, state).await,
            Self::Memory(memory) => Ok(memory.delivery(id, state)),
        }
    }
}

/// What both adapters keep of a verification, in the order that the scripts return it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    purpose: String,
    to: String,
    created_ms: i64,
    expires_ms: i64,
    resend_ms: i64,
    approved_ms: Option<i64>,
    checks_left: u32,
    delivery: DeliveryState,
}

impl Record {
    fn view(&self, id: &VerificationId, now: i64) -> Verification {
        let status = match self {
            Self { approved_ms: Some(_), .. } => Status::Approved,
            Self { expires_ms, .. } if *expires_ms <= now => Status::Expired,
            Self { checks_left: 0, .. } => Status::Locked,
            _ => Status::Pending,
        };
        Verification {
            id: id.clone(),
            purpose: self.purpose.clone(),
            to: self.to.clone(),
            status,
            created_at: from_millis(self.created_ms),
            expires_at: from_millis(self.expires_ms),
            resend_at: from_millis(self.resend_ms),
            approved_at: self.approved_ms.map(from_millis),
            checks_left: self.checks_left,
            delivery: self.delivery,
        }
    }
}
