//! A set that stays small: at most so many members, each for a time. Celery's `LimitedSet`.

use std::collections::{HashMap, VecDeque};

/// How many members there are at most.
const MOST: usize = 50_000;
/// How long a member stays, in milliseconds: three hours.
const STAYS: i64 = 3 * 3600 * 1000;

/// Ids by the time at which they were last added.
#[derive(Debug, Default)]
pub(super) struct LimitedSet {
    /// The number of the addition that counts.
    added: HashMap<String, u64>,
    /// By time. One that was added again stands here twice, and its older place counts for nothing.
    order: VecDeque<Addition>,
    additions: u64,
}

#[derive(Debug)]
struct Addition {
    number: u64,
    at: i64,
    id: String,
}

impl LimitedSet {
    /// Adds an id, or makes it young again.
    pub(super) fn insert(&mut self, id: String, now: i64) {
        self.additions += 1;
        self.added.insert(id.clone(), self.additions);
        self.order.push_back(Addition { number: self.additions, at: now, id });
        self.purge(now);
    }

    /// Whether an id is in it.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.added.contains_key(id)
    }

    /// Forgets what is too old, and the oldest of what is too much.
    pub(super) fn purge(&mut self, now: i64) {
        while let Some(oldest) = self.order.front() {
            let counts = counts(&self.added, oldest);
            if counts && self.added.len() <= MOST && now - oldest.at < STAYS {
                break;
            }
            if counts {
                self.added.remove(&oldest.id);
            }
            self.order.pop_front();
        }
        // Ids that are added over and over must not pile up behind one that stays.
        if self.order.len() > 2 * MOST {
            let added = &self.added;
            self.order.retain(|addition| counts(added, addition));
        }
    }

    /// The ids, oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.order
            .iter()
            .filter(|addition| counts(&self.added, addition))
            .map(|addition| addition.id.as_str())
    }
}

fn counts(added: &HashMap<String, u64>, addition: &Addition) -> bool {
    added.get(&addition.id) == Some(&addition.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut set = LimitedSet::default();

        for number in 0..60_000_i64 {
            set.insert(number.to_string(), number);
        }

        assert_eq!(set.ids().count(), MOST);
        assert!(!set.contains("9999") && set.contains("10000") && set.contains("59999"));
    }

    #[test]
    fn an_id_that_is_added_again_is_young_again_and_costs_no_more_room() {
        let mut set = LimitedSet::default();
        set.insert("old".into(), 0);
        for now in 1..200_000 {
            set.insert("again".into(), now);
        }

        assert!(set.order.len() <= 2 * MOST + 1, "{}", set.order.len());
        set.insert("again".into(), 199_999);
        set.purge(STAYS + 100);
        assert_eq!(set.ids().collect::<Vec<_>>(), ["again"]);
    }
}
