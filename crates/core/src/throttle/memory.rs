//! The throttle in this process, and the model that the Lua scripts are held against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limit::Limits;
use super::{Asker, Decision, Grant};
use crate::clock::{Clock, duration_from_millis};

/// How many acquires pass between two sweeps of what has run out.
const SWEEP_EVERY: u64 = 1024;

/// Send times in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryThrottle {
    limits: Arc<Limits>,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    sends: HashMap<String, Vec<i64>>,
    acquires: u64,
}

impl MemoryThrottle {
    /// Nothing was sent yet.
    pub fn new(limits: Limits, clock: Clock) -> Self {
        Self { limits: Arc::new(limits), clock, state: Arc::default() }
    }

    pub(crate) fn acquire(&self, asker: Asker) -> Decision {
        let now = self.clock.now_ms();
        let mut state = self.lock();
        state.acquires += 1;
        if state.acquires.is_multiple_of(SWEEP_EVERY) {
            self.sweep(&mut state, now);
        }
        let subjects = [&asker.number, &asker.ip];
        let mut worst: Option<(i64, Decision)> = None;
        for (subject, keys) in subjects.into_iter().enumerate().filter(|(_, keys)| !keys.is_empty()) {
            let sends = state.sends_of(keys);
            for (index, window) in self.limits.of(subject).iter().enumerate() {
                if let Some(free) = window.free_at(&sends, now)
                    && worst.as_ref().is_none_or(|(longest, _)| free > *longest)
                {
                    let by = self.limits.denied_by(subject, index);
                    worst =
                        Some((free, Decision::Denied { by, retry_after: duration_from_millis(free - now) }));
                }
            }
        }
        if let Some((_, denied)) = worst {
            return denied;
        }
        for keys in subjects {
            if let Some(key) = keys.first() {
                state.sends.entry(key.clone()).or_default().push(now);
            }
        }
        let sends = state.sends_of(&asker.number);
        let next_ms =
            self.limits.number.iter().filter_map(|window| window.free_at(&sends, now)).max().unwrap_or(now);
        Decision::Granted(Grant { at_ms: now, next_ms, asker })
    }

    pub(super) fn release(&self, grant: &Grant) -> bool {
        let now = self.clock.now_ms();
        let mut state = self.lock();
        let written = [grant.asker.number.first(), grant.asker.ip.first()].into_iter().enumerate();
        let counted: Vec<&String> = written
            .filter(|(subject, _)| grant.at_ms > now - self.limits.longest(*subject))
            .filter_map(|(_, key)| key)
            .collect();
        // An address may hold another number's send of the same instant, so a grant is given back whole or not at all.
        if counted.is_empty() || !counted.iter().all(|key| state.place(key, grant.at_ms).is_some()) {
            return false;
        }
        for key in counted {
            if let (Some(place), Some(sends)) = (state.place(key, grant.at_ms), state.sends.get_mut(key)) {
                sends.remove(place);
            }
        }
        true
    }

    fn sweep(&self, state: &mut State, now: i64) {
        let longest = self.limits.longest(0).max(self.limits.longest(1));
        state.sends.retain(|_, sends| {
            sends.retain(|sent| *sent > now - longest);
            !sends.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sends_of(&self, keys: &[String]) -> Vec<i64> {
        let mut sends: Vec<i64> =
            keys.iter().filter_map(|key| self.sends.get(key)).flatten().copied().collect();
        sends.sort_unstable();
        sends
    }

    fn place(&self, key: &str, at: i64) -> Option<usize> {
        self.sends.get(key)?.iter().position(|sent| *sent == at)
    }
}
