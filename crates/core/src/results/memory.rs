//! Results in this process, for the one-command start and for tests, and the model that the scripts are held against.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::chord::MemoryChords;
use super::waiters::Waiters;
use super::{Meta, ResultOptions, State, WaitError};
use crate::clock::{Clock, millis};

/// How often what has run out is looked for.
const SWEEP_EVERY: usize = 1024;

/// Results in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryResults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: ResultOptions,
    clock: Clock,
    kept: Mutex<Kept>,
    chords: MemoryChords,
    waiters: Waiters,
}

#[derive(Debug, Default)]
struct Kept {
    results: HashMap<String, (Arc<Meta>, i64)>,
    stores: usize,
}

impl MemoryResults {
    /// No results yet.
    pub fn new(options: ResultOptions, clock: Clock) -> Self {
        let chords = MemoryChords::new(clock.clone(), options.expires.map(millis));
        let waiters = Waiters::default();
        Self(Arc::new(Inner { options, clock, kept: Mutex::default(), chords, waiters }))
    }

    /// What holds for every result.
    pub fn options(&self) -> &ResultOptions {
        &self.0.options
    }

    pub(super) fn store(&self, meta: &Meta, if_unstarted: bool) -> bool {
        let (now, meta) = (self.0.clock.now_ms(), Arc::new(meta.clone()));
        let until = self.0.options.expires.map_or(i64::MAX, |expires| now.saturating_add(millis(expires)));
        let mut kept = self.lock();
        kept.stores += 1;
        if kept.stores.is_multiple_of(SWEEP_EVERY) {
            kept.results.retain(|_, (_, until)| *until > now);
        }
        let stored =
            kept.results.get(&meta.id).filter(|(_, until)| *until > now).map(|(meta, _)| &meta.state);
        if stored.is_some_and(|state| *state == State::Success || if_unstarted && !state.is_unstarted()) {
            return false;
        }
        kept.results.insert(meta.id.clone(), (Arc::clone(&meta), until));
        drop(kept);
        self.0.waiters.tell(&meta);
        true
    }

    pub(super) fn get(&self, id: &str) -> Option<Meta> {
        let now = self.0.clock.now_ms();
        let kept = self.lock();
        let (meta, until) = kept.results.get(id)?;
        (*until > now).then(|| Meta::clone(meta))
    }

    pub(super) async fn wait(&self, id: &str, within: Duration) -> Result<Meta, WaitError> {
        self.0.waiters.wait(id, within, || std::future::ready(Ok(self.get(id)))).await
    }

    pub(super) fn forget(&self, id: &str) {
        self.lock().results.remove(id);
    }

    pub(super) fn chords(&self) -> &MemoryChords {
        &self.0.chords
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
