//! The send record: what keeps a task that is handed out again from sending a second time.
//!
//! ```text
//!            claim              begin                finish
//! (nothing) ------> claimed ------------> sending ------------> sent | unknown | dead
//!              ^       | 2 s later another   | lease over          | failed, to be tried again
//!              |       v takes over          v                     v
//!              '--- claimed              unknown (policy stop)   waiting
//!                                        claimed (policy retry)
//! ```
//! Each claim moves a fence; whoever holds an older fence can begin and finish nothing. Starts that never ended are
//! counted: a task that was started five times without an end is poison. The memory adapter is the model of the
//! scripts: one suite tests both.

mod memory;
mod redis;

use std::time::Duration;

use jiff::Timestamp;
pub use memory::MemoryRecords;
use postrider_core::redis::StoreError;
pub use redis::RedisRecords;

/// How long a record outlives its code.
pub(crate) const RETENTION: Duration = Duration::from_hours(24);
/// How long a claim may take to begin before another takes it over. One round trip to Redis lies between the two, so
/// longer ones belong to workers that are gone.
pub const CLAIM_LEASE: Duration = Duration::from_secs(2);
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
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is this worker's turn.
    Granted(Turn),
    /// It was sent before.
    Sent,
    /// Another is about to send it, or is sending it; look again after this wait.
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

/// The right to send, until another claim moves the fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The task id.
    pub task: String,
    /// The fence.
    pub fence: i64,
    /// The end of life.
    pub not_after: Timestamp,
}

/// Whether the provider may be called now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Yes; this is the n-th call for the task, from 1.
    Yes(u32),
    /// No: the end of life has passed.
    Expired,
    /// No: another claim moved the fence.
    Lost,
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

impl SendRecords {
    /// Asks for the turn to send.
    pub async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreError> {
        match self {
            Self::Redis(redis) => redis.claim(claim).await,
            Self::Memory(memory) => Ok(memory.claim(claim)),
        }
    }

    /// Marks that the call begins now. To be asked immediately before the first byte leaves.
    pub async fn begin(&self, turn: &Turn, lease: Duration) -> Result<Begun, StoreError> {
        match self {
            Self::Redis(redis) => redis.begin(turn, lease).await,
            Self::Memory(memory) => Ok(memory.begin(turn, lease)),
        }
    }

    /// Marks how the turn ended. `false` when the fence had moved and the mark was not made.
    pub async fn finish(&self, turn: &Turn, finish: &Finish) -> Result<bool, StoreError> {
        match self {
            Self::Redis(redis) => redis.finish(turn, finish).await,
            Self::Memory(memory) => Ok(memory.finish(turn, finish)),
        }
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
