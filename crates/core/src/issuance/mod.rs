//! A code for a send that the throttle grants: slot and code in one step, or neither.
//!
//! Apart, a process that dies between the two leaves a number that waits for a code which never existed; and each is a
//! round trip. Taken back they are one after the other, with [`Codes::withdraw`](crate::codes::Codes::withdraw) and
//! [`Throttle::release`](crate::throttle::Throttle::release): what is in no queue has no hurry.

mod memory;
mod redis;

pub use memory::MemoryIssuance;
pub use redis::RedisIssuance;

use crate::codes::NewCode;
use crate::redis::StoreError;
use crate::throttle::{Asker, Decision};

/// Issues codes. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Issuance {
    /// Shared by all processes on one Redis.
    Redis(RedisIssuance),
    /// In this process.
    Memory(MemoryIssuance),
}

impl Issuance {
    /// Takes a slot in every window, keeps the code and makes it the newest of its number and purpose; or does nothing of
    /// it, when a window denies it.
    ///
    /// After an error it is not known whether it was done.
    pub async fn issue(&self, asker: Asker, code: &NewCode) -> Result<Decision, StoreError> {
        match self {
            Self::Redis(redis) => redis.issue(asker, code).await,
            Self::Memory(memory) => Ok(memory.issue(asker, code)),
        }
    }
}
