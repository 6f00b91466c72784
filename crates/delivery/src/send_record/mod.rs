//! The send record: what keeps a task that is handed out again from sending a second time.
//!
//! ```text
//!               claim            finish
//! (nothing) ----------> sending ----------> sent | unknown | dead
//!                ^         | lease over        | failed, to be tried again
//!                |         v                   v
//!                |      unknown (policy stop)  waiting
//!                |      claim (policy retry)      |
//!                '--------------------------------'
//! ```
//! 1. A claim says that the provider is called now: make it immediately before the first byte leaves. The end of the
//!    code's life is checked in it, and who claims meanwhile is held for as long as the call may take.
//! 2. It moves a fence; whoever holds an older one can finish nothing.
//! 3. On Redis it has a mark of its own. When its answer does not come, the mark takes it back, whether it was written,
//!    will be, or never is. A Redis that stays away for longer than this is tried leaves a claim that reads as a call of
//!    unknown outcome, as a worker does that is killed before its first byte.
//! 4. Starts that never ended are counted: a task that was started five times without an end is poison.
//!
//! The memory adapter is the model of the scripts: one suite tests both.

mod memory;
mod redis;

use std::time::Duration;

use jiff::Timestamp;
pub use memory::MemoryRecords;
use postrider_core::codes::Codes;
use postrider_core::redis::StoreError;
use postrider_core::verification::{DeliveryState, VerificationId};
pub use redis::RedisRecords;

/// How long a record outlives its code.
pub(crate) const RETENTION: Duration = Duration::from_hours(24);
/// Starts without an end that make a task poison.
pub const MAX_STARTS: u32 = 5;

/// Keeps send records. Cheap to clone.
#[derive(Debug, Clone)]
pub enum SendRecords {
    /// Shared by all workers on one Redis.
    Redis(RedisRecords),
    /// In this process.
    Memory(MemoryRecords),
}

/// How a task asks to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The task id.
    pub task: String,
    /// The end of life, where the message has one.
    pub not_after: Option<Timestamp>,
    /// The end of life counted from the first sight, where it has none.
    pub window: Duration,
    /// Whether a call of unknown outcome may be made again.
    pub resend: bool,
    /// How often an operator brought the task back from the dead-letter queue. A higher number than before opens a
    /// record that was closed as dead.
    pub replays: u32,
    /// How long the provider call may take before its worker is thought dead.
    pub lease: Duration,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is this worker's turn: the provider is called now.
    Granted(Turn),
    /// It was sent before.
    Sent,
    /// Another is sending it; look again after this wait.
    Held(Duration),
    /// Its end of life has passed.
    Expired(Timestamp),
    /// It may have been sent, and must not be sent twice.
    Unknown,
    /// It was given up before, for this reason.
    Dead {
        /// The reason's code.
        reason: String,
        /// The end of life.
        not_after: Timestamp,
    },
    /// It was started too often without an end.
    Poison(Timestamp),
}

/// The right to call the provider once, at once, and to finish until another claim moves the fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The task id.
    pub task: String,
    /// The fence.
    pub fence: i64,
    /// The number of this provider call for the task, from 1.
    pub call: u32,
    /// The end of life.
    pub not_after: Timestamp,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The provider took it.
    Sent,
    /// It failed and will be tried again.
    Waiting,
    /// The provider may have taken it.
    Unknown,
    /// It is given up, for this reason.
    Dead(String),
}

/// What a verification is told at the end of a turn.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// Where the verification is.
    pub codes: &'a Codes,
    /// Which one.
    pub verification: &'a VerificationId,
    /// What became of its SMS.
    pub state: DeliveryState,
}

impl SendRecords {
    /// Asks for the turn to send. To be asked immediately before the first byte leaves.
    pub async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        match self {
            Self::Redis(redis) => redis.claim(claim).await,
            Self::Memory(memory) => Ok(memory.claim(claim)),
        }
    }

    /// Marks how the turn ended. `false` when the fence had moved and the mark was not made.
    pub async fn finish(&self, turn: &Turn, finish: &Finish) -> Result<bool, StoreError> {
        match self {
            Self::Redis(redis) => redis.finish(turn, finish, None).await,
            Self::Memory(memory) => Ok(memory.finish(turn, finish)),
        }
    }

    /// The same, and notes what became of the SMS, which is kept in the same Redis: one step and one round trip. It is
    /// noted even when the fence had moved.
    pub async fn finish_and_note(
        &self,
        turn: &Turn,
        finish: &Finish,
        note: &Note<'_>,
    ) -> Result<bool, StoreError> {
        let Note { codes, verification, state } = *note;
        if let (Self::Redis(redis), Codes::Redis(codes)) = (self, codes) {
            return redis.finish(turn, finish, Some((codes.key(verification), state))).await;
        }
        codes.delivery(verification, state).await?;
        self.finish(turn, finish).await
    }
}

impl Finish {
    fn state(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
            Self::Dead(_) => "dead",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Dead(reason) => reason,
            _ => "",
        }
    }
}
