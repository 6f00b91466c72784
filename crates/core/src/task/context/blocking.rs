//! What a task does that blocks its thread: it waits there.

use serde::Serialize;
use tokio::runtime::Handle;

use super::Context;
use crate::producer::{EnqueueError, Enqueueable};
use crate::results::ResultTree;
use crate::task::TaskError;

impl Context {
    /// [`Context::enqueue`] for a task that blocks its thread.
    ///
    /// # Panics
    /// On a thread of the async runtime.
    pub fn enqueue_blocking(&self, call: impl Enqueueable) -> Result<String, EnqueueError> {
        Handle::current().block_on(self.enqueue(call))
    }

    /// [`Context::enqueue_whole`] for a task that blocks its thread.
    ///
    /// # Panics
    /// On a thread of the async runtime.
    pub fn enqueue_whole_blocking(&self, call: impl Enqueueable) -> Result<ResultTree, EnqueueError> {
        Handle::current().block_on(self.enqueue_whole(call))
    }

    /// [`Context::update_state`] for a task that blocks its thread.
    ///
    /// # Panics
    /// On a thread of the async runtime.
    pub fn update_state_blocking(&self, state: &str, meta: impl Serialize) -> Result<(), TaskError> {
        Handle::current().block_on(self.update_state(state, meta))
    }
}
