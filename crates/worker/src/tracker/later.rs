//! The nearest of the tasks that wait for their time in the broker's delay ladder.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Tracked;

/// How many are remembered.
const MOST: usize = 1_000;
/// Arguments that take more bytes are not remembered, so that all of them take a few megabytes at most.
const LARGEST: usize = 4 * 1024;

/// Tasks by their time. Of two that wait for the same instant both are kept.
#[derive(Debug, Default)]
pub(super) struct Later {
    tasks: BTreeMap<(Timestamp, u64), Arc<Tracked>>,
    inserted: u64,
}

impl Later {
    /// Remembers a task; when there are too many, the one furthest ahead is forgotten.
    pub(super) fn insert(&mut self, tracked: Tracked, eta: Timestamp, now: Timestamp) {
        if self.tasks.len() >= MOST {
            self.forget_due(now);
        }
        if self.tasks.len() >= MOST {
            let furthest = self.tasks.last_key_value().map(|(key, _)| key.0);
            if furthest.is_some_and(|furthest| furthest <= eta) {
                return;
            }
            self.tasks.pop_last();
        }
        self.inserted += 1;
        self.tasks.insert((eta, self.inserted), Arc::new(tracked.shortened(LARGEST)));
    }

    /// Those whose time has not come, by time.
    pub(super) fn all(&mut self, now: Timestamp) -> Vec<(Timestamp, Arc<Tracked>)> {
        self.forget_due(now);
        self.tasks.iter().map(|((eta, _), tracked)| (*eta, Arc::clone(tracked))).collect()
    }

    fn forget_due(&mut self, now: Timestamp) {
        // What is due lies before the first key that is not.
        self.tasks = self.tasks.split_off(&(now, u64::MAX));
    }
}
