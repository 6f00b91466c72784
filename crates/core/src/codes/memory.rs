//! Codes in this process, and the model that the Lua scripts are held against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subtle::{Choice, ConstantTimeEq as _};

use super::{NewCode, RETENTION, Record, Verdict};
use crate::clock::{Clock, millis};
use crate::verification::{DeliveryState, Verification, VerificationId};

/// How many codes are issued between two sweeps of what has run out.
const SWEEP_EVERY: u64 = 1024;

/// Codes in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryCodes {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<VerificationId, Kept>,
    latest: HashMap<String, VerificationId>,
    issued: u64,
}

#[derive(Debug)]
struct Kept {
    app: String,
    mac: String,
    previous: Option<VerificationId>,
    record: Record,
}

impl MemoryCodes {
    /// No codes yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// Keeps a code that was asked for at an instant, and when its number may be sent another.
    pub(crate) fn keep(&self, code: &NewCode, created_ms: i64, resend_ms: i64) {
        let mut state = self.lock();
        state.issued += 1;
        if state.issued.is_multiple_of(SWEEP_EVERY) {
            state.sweep(self.clock.now_ms());
        }
        let previous = state.latest.insert(code.latest.clone(), code.id.clone());
        let record = Record {
            purpose: code.purpose.clone(),
            to: code.to.clone(),
            created_ms,
            expires_ms: created_ms + millis(code.ttl),
            resend_ms,
            approved_ms: None,
            checks_left: code.max_checks,
            delivery: DeliveryState::Queued,
        };
        let kept = Kept { app: code.app.clone(), mac: code.mac.clone(), previous, record };
        state.kept.insert(code.id.clone(), kept);
    }

    pub(super) fn withdraw(&self, code: &NewCode) {
        let mut state = self.lock();
        let Some(kept) = state.kept.remove(&code.id) else { return };
        if state.latest.get(&code.latest) == Some(&code.id) {
            match kept.previous {
                Some(previous) => state.latest.insert(code.latest.clone(), previous),
                None => state.latest.remove(&code.latest),
            };
        }
    }

    pub(super) fn check(&self, id: &VerificationId, app: &str, macs: &[String]) -> Verdict {
        let now = self.clock.now_ms();
        let mut state = self.lock();
        let Some(kept) = state.kept.get_mut(id).filter(|kept| kept.app == app) else {
            return Verdict::NotFound;
        };
        let record = &mut kept.record;
        if record.approved_ms.is_some() {
            return Verdict::Consumed;
        }
        if record.expires_ms <= now {
            return Verdict::Expired;
        }
        if record.checks_left == 0 {
            return Verdict::Exhausted;
        }
        record.checks_left -= 1;
        let equal =
            macs.iter().fold(Choice::from(0), |any, mac| any | mac.as_bytes().ct_eq(kept.mac.as_bytes()));
        if bool::from(equal) {
            record.approved_ms = Some(now);
            Verdict::Approved(record.view(id, now))
        } else {
            Verdict::Incorrect { checks_left: record.checks_left }
        }
    }

    pub(super) fn latest(&self, hashes: &[String]) -> Option<VerificationId> {
        let state = self.lock();
        hashes.iter().find_map(|hash| state.latest.get(hash)).cloned()
    }

    pub(super) fn get(&self, id: &VerificationId, app: &str) -> Option<Verification> {
        let now = self.clock.now_ms();
        let state = self.lock();
        state.kept.get(id).filter(|kept| kept.app == app).map(|kept| kept.record.view(id, now))
    }

    pub(super) fn delivery(&self, id: &VerificationId, delivery: DeliveryState) -> bool {
        let mut state = self.lock();
        let Some(kept) = state.kept.get_mut(id) else { return false };
        if kept.record.delivery != DeliveryState::Sent {
            kept.record.delivery = delivery;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sweep(&mut self, now: i64) {
        self.kept.retain(|_, kept| kept.record.expires_ms + millis(RETENTION) > now);
        let kept = &self.kept;
        self.latest.retain(|_, id| kept.contains_key(id));
    }
}
