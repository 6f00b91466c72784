//! Joining the members of a chord: each records its result, and the one that completes it publishes the body.
//!
//! 1. The producer says how many members there are ([`Results::set_chord_size`]), before the last one is published.
//! 2. Each member that has come to its end stores its own result and then records it here ([`Results::chord_part`]), once
//!    however often it comes.
//! 3. The member that completes the chord gets the results in the header's order and the claim. It publishes the body and
//!    says so ([`Results::chord_done`]), or gives the claim back ([`Results::chord_release`]).
//! 4. Where a member has failed, whoever completes the chord fails the body: it stores the exception for the body's id,
//!    calls the body's errbacks, and says so ([`Results::chord_failed`]).
//!
//! Members may be Python's: keys, values and scripts agree with Celery 5.7 (`celery/backends/redis.py`,
//! `on_chord_part_return`). A worker that dies with the claim leaves its member's message to another one, which gets the
//! claim again; the body may then be published twice, under one id, but never not at all.

mod join;
mod memory;
mod redis;

use serde_json::{Value, json};

pub(super) use memory::MemoryChords;

use super::{ResultError, ResultTree, Results, State};
use crate::celery::Exception;
use join::{Member, NotJoined};

/// How long a claim keeps other members out.
const CLAIM_SECONDS: u64 = 60;
/// How long a chord is known to be done.
const DONE_SECONDS: u64 = 300;

/// A member of a chord that has come to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct ChordPart {
    /// The group of the chord's header.
    pub group_id: String,
    /// The member's place in the header.
    pub group_index: Option<u32>,
    /// The member's id.
    pub task_id: String,
    /// How it ended.
    pub state: State,
    /// Its value, or the object of its exception.
    pub result: Value,
}

/// The right to publish the body of a chord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub(super) group_id: String,
    pub(super) token: String,
}

/// How a chord stands after a member has been recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Joined {
    /// Other members are still to come, or another one has the claim.
    Waiting,
    /// All members are there: the body is to be published with these values.
    Ready {
        /// The members' values in the header's order.
        values: Vec<Value>,
        /// The right to publish.
        claim: Claim,
    },
    /// All members are there and one has failed: the body fails with this exception.
    Failed {
        /// A `ChordError`.
        exception: Exception,
        /// What the member raised, where that is known.
        cause: Option<Exception>,
        /// The right to fail it.
        claim: Claim,
    },
    /// The body was published before.
    AlreadyDone,
}

/// What the store says after a member has been recorded.
#[derive(Debug)]
pub(super) enum Recorded {
    Waiting,
    AlreadyDone,
    Complete {
        /// What the producer kept of a header with groups in it.
        group: Option<Vec<u8>>,
        members: Vec<Vec<u8>>,
    },
}

impl ChordPart {
    /// The place as the score of a sorted set; a member without one comes last.
    pub(super) fn place(&self) -> String {
        self.group_index.map_or_else(|| "+inf".to_owned(), |index| index.to_string())
    }

    /// The claim of this member, the same each time it comes.
    fn claim(&self) -> Claim {
        Claim { group_id: self.group_id.clone(), token: format!("{}:{}", self.task_id, self.place()) }
    }

    /// The value that is recorded.
    pub(super) fn member(&self) -> String {
        json!([1, self.task_id, self.state, self.result]).to_string()
    }
}

impl Results {
    /// Whether chords can be joined.
    pub fn supports_chords(&self) -> bool {
        matches!(self, Self::Redis(_) | Self::Memory(_))
    }

    /// Says how many members a chord waits for. It may be applied anew under the same id.
    pub async fn set_chord_size(&self, group_id: &str, size: usize) -> Result<(), ResultError> {
        match self {
            Self::Redis(redis) => Box::pin(redis.set_chord_size(group_id, size)).await,
            Self::Memory(memory) => {
                memory.chords().set_size(group_id, size);
                Ok(())
            }
            Self::None | Self::Rpc(_) => Err(ResultError::NoChords),
        }
    }

    /// Makes a chord wait for one more member, for a task that adds one to the chord that it is in.
    pub async fn add_to_chord(&self, group_id: &str) -> Result<(), ResultError> {
        match self {
            Self::Redis(redis) => Box::pin(redis.add_to_chord(group_id)).await,
            Self::Memory(memory) => {
                memory.chords().grow(group_id);
                Ok(())
            }
            Self::None | Self::Rpc(_) => Err(ResultError::NoChords),
        }
    }

    /// Keeps a group by its members' ids. A chord whose header holds groups needs it, so that the values come nested as
    /// the header is.
    pub async fn save_group(&self, group: &ResultTree) -> Result<(), ResultError> {
        let text = json!({"result": group}).to_string();
        match self {
            Self::Redis(redis) => Box::pin(redis.save_group(&group.id, text)).await,
            Self::Memory(memory) => {
                memory.chords().save_group(&group.id, text);
                Ok(())
            }
            Self::None | Self::Rpc(_) => Err(ResultError::NoChords),
        }
    }

    /// Records a member. Its own result must have been stored before.
    pub async fn chord_part(&self, part: &ChordPart) -> Result<Joined, ResultError> {
        let recorded = match self {
            Self::Redis(redis) => Box::pin(redis.record(part)).await?,
            Self::Memory(memory) => memory.chords().record(part),
            Self::None | Self::Rpc(_) => return Err(ResultError::NoChords),
        };
        let (group, members) = match recorded {
            Recorded::Waiting => return Ok(Joined::Waiting),
            Recorded::AlreadyDone => return Ok(Joined::AlreadyDone),
            Recorded::Complete { group, members } => (group, members),
        };
        let joined = match group {
            None => Member::values(&members),
            Some(group) => self.join_group(&group).await,
        };
        let claim = part.claim();
        Ok(match joined {
            Ok(values) => Joined::Ready { values, claim },
            Err(NotJoined { exception, cause }) => {
                Joined::Failed { exception, cause: cause.map(|cause| *cause), claim }
            }
        })
    }

    /// The body was published. `false` where the claim had run out, so that another member may have published it too.
    pub async fn chord_done(&self, claim: &Claim) -> Result<bool, ResultError> {
        match self {
            Self::Redis(redis) => Box::pin(redis.finish(claim)).await,
            Self::Memory(memory) => Ok(memory.chords().finish(claim)),
            Self::None | Self::Rpc(_) => Err(ResultError::NoChords),
        }
    }

    /// The body was failed: no copy of a member will fail it again.
    pub async fn chord_failed(&self, claim: &Claim) -> Result<bool, ResultError> {
        match self {
            Self::Redis(redis) => Box::pin(redis.fail(claim)).await,
            Self::Memory(memory) => Ok(memory.chords().fail(claim)),
            Self::None | Self::Rpc(_) => Err(ResultError::NoChords),
        }
    }

    /// The body was not published: the next copy of any member may.
    pub async fn chord_release(&self, claim: &Claim) -> Result<bool, ResultError> {
        match self {
            Self::Redis(redis) => Box::pin(redis.release(claim)).await,
            Self::Memory(memory) => Ok(memory.chords().release(claim)),
            Self::None | Self::Rpc(_) => Err(ResultError::NoChords),
        }
    }
}
