//! The name of every key, built in one place. No name holds a number, an address or a code: callers give hashes and ids.

use super::Redis;

impl Redis {
    /// The key of the send times of a number or an address.
    pub fn throttle_key(&self, hash: &str) -> String {
        format!("{}:throttle:{hash}", self.prefix())
    }

    /// The key of a verification.
    pub fn verification_key(&self, id: &str) -> String {
        format!("{}:verification:{id}", self.prefix())
    }

    /// The key of the newest verification of a number and purpose.
    pub fn latest_key(&self, hash: &str) -> String {
        format!("{}:latest:{hash}", self.prefix())
    }

    /// The key of the send record of a task.
    pub fn send_key(&self, task: &str) -> String {
        format!("{}:send:{task}", self.prefix())
    }
}
