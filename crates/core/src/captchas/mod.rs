//! The pictures that wait for an answer: kept under the id that the page made up, and good for one try.
//!
//! What is stored is the text that was drawn, sealed ([`CaptchaText::seal`]). There is room for a fixed count of them,
//! so that strangers cannot fill the store; one that has run out takes no room. Taking reads and deletes in one step,
//! so that any number of parallel answers is one try. The memory adapter is the model of the scripts: one suite tests
//! both.

mod memory;
mod redis;
mod text;

use std::time::Duration;

pub use memory::MemoryCaptchas;
pub use redis::RedisCaptchas;
pub use text::CaptchaText;
use uuid::Uuid;

use crate::redis::StoreError;

/// Keeps pictures' texts. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Captchas {
    /// Shared by all processes on one Redis.
    Redis(RedisCaptchas),
    /// In this process.
    Memory(MemoryCaptchas),
}

/// What holds for every picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptchaRules {
    /// How long it waits for an answer.
    pub ttl: Duration,
    /// How many may wait at once.
    pub max: usize,
}

/// Whether a picture was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It waits for its answer.
    Kept,
    /// As many wait as may; nothing was changed.
    Full {
        /// When the first of them runs out.
        retry_after: Duration,
    },
}

impl Captchas {
    /// Keeps a sealed text. It replaces the one of the same id, for which there is always room.
    pub async fn put(&self, id: Uuid, sealed: &str) -> Result<Put, StoreError> {
        match self {
            Self::Redis(redis) => redis.put(id, sealed).await,
            Self::Memory(memory) => Ok(memory.put(id, sealed)),
        }
    }

    /// The sealed text of a picture that still waits. It goes on waiting.
    pub async fn peek(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        match self {
            Self::Redis(redis) => redis.peek(id).await,
            Self::Memory(memory) => Ok(memory.peek(id)),
        }
    }

    /// The sealed text of a picture that still waited, which nobody gets a second time.
    pub async fn take(&self, id: Uuid) -> Result<Option<String>, StoreError> {
        match self {
            Self::Redis(redis) => redis.take(id).await,
            Self::Memory(memory) => Ok(memory.take(id)),
        }
    }
}
