//! Chords in this process, and the model that the scripts are held against.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{CLAIM_SECONDS, ChordPart, Claim, DONE_SECONDS, Recorded};
use crate::clock::Clock;

/// How often what has run out is looked for.
const SWEEP_EVERY: usize = 1024;

/// The chords of a memory store.
#[derive(Debug, Default)]
pub(in super::super) struct MemoryChords {
    clock: Clock,
    /// How long a chord is kept, ms; `None` for ever.
    kept_ms: Option<i64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chords: HashMap<String, Chord>,
    changes: usize,
}

#[derive(Debug, Default)]
struct Chord {
    /// By place, then by value, as a sorted set has them.
    results: BTreeSet<(u64, String)>,
    seen: HashSet<String>,
    size: Option<usize>,
    added: usize,
    group: Option<String>,
    holder: Option<Holder>,
    expires_ms: Option<i64>,
}

#[derive(Debug)]
struct Holder {
    /// The token, or `None` once the body was published.
    token: Option<String>,
    until_ms: i64,
}

impl MemoryChords {
    pub(in super::super) fn new(clock: Clock, kept_ms: Option<i64>) -> Self {
        Self { clock, kept_ms, state: Mutex::default() }
    }

    pub(super) fn set_size(&self, group: &str, size: usize) {
        self.change(group, |chord| {
            chord.holder = None;
            chord.size = Some(size);
        });
    }

    pub(super) fn grow(&self, group: &str) {
        self.change(group, |chord| chord.added += 1);
    }

    pub(super) fn save_group(&self, group: &str, text: String) {
        self.change(group, |chord| chord.group = Some(text));
    }

    pub(super) fn record(&self, part: &ChordPart) -> Recorded {
        let (claim, now) = (part.claim(), self.clock.now_ms());
        self.change(&part.group_id, |chord| {
            if matches!(chord.holder, Some(Holder { token: None, .. })) {
                return Recorded::AlreadyDone;
            }
            // The token is the member's id and place.
            if chord.seen.insert(claim.token.clone()) {
                let place = part.group_index.map_or(u64::MAX, u64::from);
                chord.results.insert((place, part.member()));
            }
            let complete = chord.size.is_some_and(|size| chord.results.len() == size + chord.added);
            let free = chord.holder.as_ref().is_none_or(|holder| holder.token.as_ref() == Some(&claim.token));
            if !complete || !free {
                return Recorded::Waiting;
            }
            chord.holder =
                Some(Holder { token: Some(claim.token.clone()), until_ms: now + ms(CLAIM_SECONDS) });
            Recorded::Complete {
                group: chord.group.clone().map(String::into_bytes),
                members: chord.results.iter().map(|(_, member)| member.clone().into_bytes()).collect(),
            }
        })
    }

    pub(super) fn finish(&self, claim: &Claim) -> bool {
        let until_ms = self.clock.now_ms() + ms(DONE_SECONDS);
        self.settle(claim, |chord| {
            let group = chord.group.take();
            *chord = Chord { group, expires_ms: chord.expires_ms, ..Chord::default() };
            chord.holder = Some(Holder { token: None, until_ms });
        })
    }

    pub(super) fn fail(&self, claim: &Claim) -> bool {
        self.settle(claim, |chord| chord.size = None)
    }

    pub(super) fn release(&self, claim: &Claim) -> bool {
        self.settle(claim, |chord| chord.holder = None)
    }

    /// Does something in the name of a claim, if it is still held.
    fn settle(&self, claim: &Claim, then: impl FnOnce(&mut Chord)) -> bool {
        self.change(&claim.group_id, |chord| {
            let held =
                chord.holder.as_ref().is_some_and(|holder| holder.token.as_ref() == Some(&claim.token));
            if held {
                then(chord);
            }
            held
        })
    }

    /// Changes a chord that is there or begins now. What has run out is gone before.
    fn change<T>(&self, group: &str, change: impl FnOnce(&mut Chord) -> T) -> T {
        let now = self.clock.now_ms();
        let mut state = self.lock();
        state.changes += 1;
        if state.changes.is_multiple_of(SWEEP_EVERY) {
            state.chords.retain(|_, chord| !chord.is_over(now));
        }
        let chord = state.chords.entry(group.to_owned()).or_default();
        if chord.is_over(now) {
            *chord = Chord::default();
        }
        chord.holder.take_if(|holder| holder.until_ms <= now);
        chord.expires_ms = self.kept_ms.map(|kept| now.saturating_add(kept));
        change(chord)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chord {
    fn is_over(&self, now: i64) -> bool {
        self.expires_ms.is_some_and(|expires| expires <= now)
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds * 1000).expect("minutes")
}
