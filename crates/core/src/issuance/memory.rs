//! Slot and code in this process, and the model that the Lua script is held against.

use crate::codes::{MemoryCodes, NewCode};
use crate::throttle::{Asker, Decision, MemoryThrottle};

/// Slots and codes in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryIssuance {
    throttle: MemoryThrottle,
    codes: MemoryCodes,
}

impl MemoryIssuance {
    /// What this throttle grants, kept among these codes.
    pub fn new(throttle: MemoryThrottle, codes: MemoryCodes) -> Self {
        Self { throttle, codes }
    }

    pub(super) fn issue(&self, asker: Asker, code: &NewCode) -> Decision {
        let decision = self.throttle.acquire(asker);
        if let Decision::Granted(grant) = &decision {
            self.codes.keep(code, grant.at_ms, grant.next_ms);
        }
        decision
    }
}
