//! How often a number, and an address, may be sent a code: exact rolling windows, taken all or none.
//!
//! A [`Throttle`] keeps the times of the last sends and nothing else. A grant can be given back as long as it is known
//! that nothing was sent for it. The memory adapter is the model of the Redis script: one suite tests both.

mod limit;
mod memory;
mod redis;

use std::time::Duration;

pub use limit::{Limits, Window};
pub use memory::MemoryThrottle;
pub use redis::RedisThrottle;

use crate::redis::StoreError;

/// The Lua function `take_slot(now, key, at)`: for a script that takes a slot beside what it does to keys of its own.
pub(crate) const TAKE_SLOT: &str = include_str!("take_slot.lua");

/// Grants or denies sends. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Throttle {
    /// Shared by all processes on one Redis.
    Redis(RedisThrottle),
    /// In this process.
    Memory(MemoryThrottle),
}

/// Who asks: the keyed hashes under which the send times are kept.
///
/// Each list holds the hash under the writing key first, then those under keys that are still read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Of the phone number.
    pub number: Vec<String>,
    /// Of the end user's address; empty when it is not known, and then no window counts it.
    pub ip: Vec<String>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// One slot of every window was taken.
    Granted(Grant),
    /// Nothing was taken. The window with the longest wait is named.
    Denied {
        /// Which limit denied it.
        by: DeniedBy,
        /// When to ask again.
        retry_after: Duration,
    },
}

/// A limit that denied a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeniedBy {
    /// The gap between two sends to a number: a window that holds one.
    Cooldown,
    /// The count of sends to a number.
    Number,
    /// The count of sends for an address.
    Ip,
}

/// A slot that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// When, in ms since the Unix epoch, by the store's clock.
    pub at_ms: i64,
    /// When the number may be sent to again, in ms since the Unix epoch.
    pub next_ms: i64,
    asker: Asker,
}

impl Throttle {
    /// Takes a slot in every window, or none.
    pub async fn acquire(&self, asker: Asker) -> Result<Decision, StoreError> {
        match self {
            Self::Redis(redis) => redis.acquire(asker).await,
            Self::Memory(memory) => Ok(memory.acquire(asker)),
        }
    }

    /// Gives a slot back. `false` when it was given back before or has run out.
    pub async fn release(&self, grant: &Grant) -> Result<bool, StoreError> {
        match self {
            Self::Redis(redis) => redis.release(grant).await,
            Self::Memory(memory) => Ok(memory.release(grant)),
        }
    }
}
