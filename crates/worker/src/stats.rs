//! How many tasks were started, by name, and since when the worker works.

mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

pub(crate) use usage::usage;

/// Counts of tasks. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Stats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    since: Instant,
    /// Sorted by name.
    totals: Box<[(&'static str, AtomicU64)]>,
}

impl Stats {
    /// Counts for these tasks, sorted by name.
    pub(crate) fn new(tasks: &[&'static str]) -> Self {
        debug_assert!(tasks.is_sorted());
        let totals = tasks.iter().map(|task| (*task, AtomicU64::new(0))).collect();
        Self(Arc::new(Inner { since: Instant::now(), totals }))
    }

    /// A task was started.
    pub(crate) fn started(&self, task: &str) {
        if let Ok(place) = self.0.totals.binary_search_by_key(&task, |(name, _)| *name) {
            self.0.totals[place].1.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were started by name, those that never were left out.
    pub(crate) fn totals(&self) -> Map<String, Value> {
        let count = |(name, count): &(&'static str, AtomicU64)| {
            let count = count.load(Ordering::Relaxed);
            (count > 0).then(|| ((*name).to_owned(), count.into()))
        };
        self.0.totals.iter().filter_map(count).collect()
    }

    /// How many were started in all.
    pub(crate) fn processed(&self) -> u64 {
        self.0.totals.iter().map(|(_, count)| count.load(Ordering::Relaxed)).sum()
    }

    /// How long the worker has worked.
    pub(crate) fn uptime(&self) -> Duration {
        self.0.since.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tasks_are_counted_by_name_and_together() {
        let stats = Stats::new(&["add", "boom", "slow"]);

        for task in ["slow", "add", "slow", "unknown"] {
            stats.started(task);
        }

        assert_eq!(Value::Object(stats.totals()), json!({"add": 1, "slow": 2}));
        assert_eq!(stats.processed(), 3);
    }
}
