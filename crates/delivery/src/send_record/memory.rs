//! Send records in this process, and the model that the Lua scripts are held against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use postrider_core::clock::{Clock, duration_from_millis, from_millis, millis};

use super::{Claim, Claimed, Finish, MAX_STARTS, RETENTION, Turn};

/// How many claims pass between two sweeps of what has run out.
const SWEEP_EVERY: u64 = 1024;

/// Send records in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryRecords {
    clock: Clock,
    records: Arc<Mutex<Records>>,
}

#[derive(Debug, Default)]
struct Records {
    by_task: HashMap<String, Record>,
    claims: u64,
}

#[derive(Debug, Clone)]
struct Record {
    state: State,
    ends: i64,
    kept_until: i64,
    fence: i64,
    starts: u32,
    calls: u32,
    replays: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    New,
    Sending { lease: i64 },
    Waiting,
    Sent,
    Unknown,
    Expired,
    Dead(String),
}

impl MemoryRecords {
    /// No records yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, records: Arc::default() }
    }

    pub(super) fn claim(&self, claim: &Claim) -> Claimed {
        let now = self.clock.now_ms();
        let mut records = self.lock();
        records.claims += 1;
        if records.claims.is_multiple_of(SWEEP_EVERY) {
            records.by_task.retain(|_, record| record.kept_until > now);
        }
        let record = records.by_task.entry(claim.task.clone()).or_insert_with(|| {
            let ends = claim.not_after.map_or(now + millis(claim.window), Timestamp::as_millisecond);
            let kept_until = ends.max(now) + millis(RETENTION);
            let (fence, starts, calls, replays) = (0, 0, 0, claim.replays);
            Record { state: State::New, ends, kept_until, fence, starts, calls, replays }
        });
        let ends = from_millis(record.ends);
        match &record.state {
            State::Sent => return Claimed::Sent,
            State::Unknown if !claim.resend => return Claimed::Unknown,
            State::Dead(reason) if claim.replays <= record.replays => {
                return Claimed::Dead { reason: reason.clone(), not_after: ends };
            }
            State::Dead(_) => {
                record.replays = claim.replays;
                record.starts = 0;
            }
            State::Sending { lease } if *lease > now => {
                return Claimed::Held(duration_from_millis(lease - now));
            }
            State::Sending { .. } if !claim.resend => {
                record.state = State::Unknown;
                record.starts = 0;
                return Claimed::Unknown;
            }
            _ => {}
        }
        if record.ends <= now {
            record.state = State::Expired;
            return Claimed::Expired(ends);
        }
        if record.starts >= MAX_STARTS {
            record.state = State::Dead("poison".into());
            record.starts = 0;
            return Claimed::Poison(ends);
        }
        record.starts += 1;
        record.fence += 1;
        record.calls += 1;
        record.state = State::Sending { lease: now + millis(claim.lease) };
        let (task, fence, call) = (claim.task.clone(), record.fence, record.calls);
        Claimed::Granted(Turn { task, fence, call, not_after: ends })
    }

    pub(super) fn finish(&self, turn: &Turn, finish: &Finish) -> bool {
        let mut records = self.lock();
        let held = |record: &&mut Record| record.fence == turn.fence;
        let Some(record) = records.by_task.get_mut(&turn.task).filter(held) else { return false };
        record.state = match finish {
            Finish::Sent => State::Sent,
            Finish::Waiting => State::Waiting,
            Finish::Unknown => State::Unknown,
            Finish::Dead(reason) => State::Dead(reason.clone()),
        };
        record.starts = 0;
        true
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
