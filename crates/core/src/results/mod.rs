//! What became of a task, for whoever asks: Celery's result backends, `redis://`, `rpc://` and none, and one in memory.
//!
//! 1. A worker stores a [`Meta`] at each change of state that is of interest: STARTED where it is asked for, RETRY,
//!    SUCCESS, FAILURE, REVOKED. On Redis it is one key and one message on the channel of that name, by one script; with
//!    `rpc://` one message to the queue that the caller named, which nobody else can read.
//! 2. A caller asks for it by the task's id through an [`AsyncResult`], and waits without polling.
//! 3. The members of a chord are counted here ([`Results::chord_part`]); who completes it publishes its body.
//!
//! The formats are those of Celery 5.7, so that either side may be Python's. What to store and when is the worker's to
//! decide, and what follows a task is not known here. The memory store is the model of the scripts: one suite tests both.

mod async_result;
mod backend;
mod chord;
mod error;
#[cfg(test)]
mod golden;
mod group_result;
mod memory;
mod meta;
mod patience;
mod pubsub;
mod redis;
mod rpc;
mod state;
mod tree;
mod waiters;

use std::time::Duration;

pub use async_result::AsyncResult;
pub use backend::{ResultBackend, ResultOptions};
pub use chord::{ChordPart, Claim, Joined};
pub use error::{ResultError, WaitError};
pub use group_result::GroupResult;
pub use memory::MemoryResults;
pub use meta::{Extended, Meta};
pub use redis::RedisResults;
pub use rpc::RpcResults;
pub use state::State;
pub use tree::ResultTree;

use crate::broker::message::Properties;

/// Where results go and come from. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub enum Results {
    /// Nowhere: nothing is kept.
    #[default]
    None,
    /// Redis, shared by all processes.
    Redis(RedisResults),
    /// The queue that the caller names.
    Rpc(RpcResults),
    /// This process.
    Memory(MemoryResults),
}

impl Results {
    /// Whether anything is kept at all, which is worth knowing before a [`Meta`] is made.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// What holds for every result; `None` where nothing is kept.
    pub fn options(&self) -> Option<&ResultOptions> {
        match self {
            Self::None => None,
            Self::Redis(redis) => Some(redis.options()),
            Self::Rpc(rpc) => Some(rpc.options()),
            Self::Memory(memory) => Some(memory.options()),
        }
    }

    /// Keeps what became of a task and tells those who wait for it. `asked` are the properties of the task's message,
    /// which say where `rpc://` answers to; without them it answers nobody.
    ///
    /// A success is never overwritten. A store that does not answer is tried again for as long as the options say.
    pub async fn store(&self, meta: &Meta, asked: &Properties) -> Result<(), ResultError> {
        match self {
            Self::None => Ok(()),
            Self::Redis(redis) => Box::pin(redis.store(meta, false)).await.map(|_| ()),
            Self::Rpc(rpc) => Box::pin(rpc.store(meta, asked)).await,
            Self::Memory(memory) => {
                memory.store(meta, false);
                Ok(())
            }
        }
    }

    /// Keeps a revoke, but only where no worker has begun the task: a revoke is broadcast, and the worker that runs the
    /// task has the say. Whether it was kept. Nobody asked, so that `rpc://` answers nobody.
    pub async fn store_if_unstarted(&self, meta: &Meta) -> Result<bool, ResultError> {
        match self {
            Self::None | Self::Rpc(_) => Ok(false),
            Self::Redis(redis) => Box::pin(redis.store(meta, true)).await,
            Self::Memory(memory) => Ok(memory.store(meta, true)),
        }
    }

    /// What is known of a task; `None` where nothing is, which may mean that it waits.
    pub async fn get(&self, id: &str) -> Result<Option<Meta>, ResultError> {
        match self {
            Self::None => Err(ResultError::Off),
            Self::Redis(redis) => Box::pin(redis.get(id)).await,
            Self::Rpc(rpc) => rpc.get(id),
            Self::Memory(memory) => Ok(memory.get(id)),
        }
    }

    /// Waits until the task has come to its end.
    pub async fn wait(&self, id: &str, within: Duration) -> Result<Meta, WaitError> {
        match self {
            Self::None => Err(ResultError::Off.into()),
            Self::Redis(redis) => Box::pin(redis.wait(id, within)).await,
            Self::Rpc(rpc) => Box::pin(rpc.wait(id, within)).await,
            Self::Memory(memory) => memory.wait(id, within).await,
        }
    }

    /// Forgets what is known of a task.
    pub async fn forget(&self, id: &str) -> Result<(), ResultError> {
        match self {
            Self::None => Err(ResultError::Off),
            Self::Redis(redis) => redis.forget(id).await,
            Self::Rpc(rpc) => rpc.forget(id),
            Self::Memory(memory) => {
                memory.forget(id);
                Ok(())
            }
        }
    }

    /// The queue that a caller asks to be answered to, for the property `reply_to` of a task's message. With `rpc://` a
    /// caller waits for [`Results::listening`] before it publishes its first task.
    pub fn reply_to(&self) -> Option<&str> {
        match self {
            Self::Rpc(rpc) => rpc.reply_to(),
            _ => None,
        }
    }

    /// Waits until an answer would be heard, for as long as the options say. Without `rpc://` that is at once.
    pub async fn listening(&self) -> Result<(), ResultError> {
        match self {
            Self::Rpc(rpc) => rpc.listening().await,
            Self::None | Self::Redis(_) | Self::Memory(_) => Ok(()),
        }
    }

    /// A task's result by its id.
    pub fn of(&self, id: impl Into<String>) -> AsyncResult {
        AsyncResult::new(id, self.clone())
    }
}
