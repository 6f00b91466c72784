//! Pictures' texts in this process, and the model that the Lua scripts are held against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{CaptchaRules, Put};
use crate::clock::{Clock, duration_from_millis, millis};

/// Sealed texts in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryCaptchas {
    rules: CaptchaRules,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<Uuid, Kept>,
    puts: u64,
}

#[derive(Debug)]
struct Kept {
    sealed: String,
    expires_ms: i64,
    /// Its place in the order of all puts.
    put: u64,
}

impl MemoryCaptchas {
    /// No pictures yet.
    pub fn new(rules: CaptchaRules, clock: Clock) -> Self {
        Self { rules, clock, state: Arc::default() }
    }

    /// All that wait, as ids and sealed texts, the newest first.
    pub fn newest_first(&self) -> Vec<(Uuid, String)> {
        let now = self.clock.now_ms();
        let state = self.lock();
        let mut live: Vec<_> = state.kept.iter().filter(|(_, kept)| kept.expires_ms > now).collect();
        live.sort_unstable_by_key(|(_, kept)| std::cmp::Reverse(kept.put));
        live.into_iter().map(|(id, kept)| (*id, kept.sealed.clone())).collect()
    }

    pub(super) fn put(&self, id: Uuid, sealed: &str) -> Put {
        let now = self.clock.now_ms();
        let mut state = self.lock();
        if state.kept.len() >= self.rules.max {
            state.kept.retain(|_, kept| kept.expires_ms > now);
        }
        let full = state.kept.len() >= self.rules.max && !state.kept.contains_key(&id);
        if let Some(first) = state.kept.values().map(|kept| kept.expires_ms).min().filter(|_| full) {
            return Put::Full { retry_after: duration_from_millis(first - now) };
        }
        state.puts += 1;
        let kept =
            Kept { sealed: sealed.to_owned(), expires_ms: now + millis(self.rules.ttl), put: state.puts };
        state.kept.insert(id, kept);
        Put::Kept
    }

    pub(super) fn peek(&self, id: Uuid) -> Option<String> {
        let now = self.clock.now_ms();
        self.lock().kept.get(&id).filter(|kept| kept.expires_ms > now).map(|kept| kept.sealed.clone())
    }

    pub(super) fn take(&self, id: Uuid) -> Option<String> {
        let now = self.clock.now_ms();
        self.lock().kept.remove(&id).filter(|kept| kept.expires_ms > now).map(|kept| kept.sealed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
