//! A set that stays small: at most so many members, of which the oldest go.
//!
//! Celery's `LimitedSet` forgets by age too, at a time of its own choosing: mostly when it is full. Here age counts for
//! nothing: a task may be revoked long before its time comes, and room is all that a member costs.

use std::collections::{HashMap, VecDeque};

/// How many members there are at most.
const MOST: usize = 50_000;

/// Ids by the order in which they were last added.
#[derive(Debug, Default)]
pub(super) struct LimitedSet {
    /// The number of the addition that counts.
    added: HashMap<String, u64>,
    /// One that was added again stands here twice, and its older place counts for nothing.
    order: VecDeque<Addition>,
    additions: u64,
}

#[derive(Debug)]
struct Addition {
    number: u64,
    id: String,
}

impl LimitedSet {
    /// Adds an id, or makes it young again.
    pub(super) fn insert(&mut self, id: String) {
        self.additions += 1;
        self.added.insert(id.clone(), self.additions);
        self.order.push_back(Addition { number: self.additions, id });
        self.forget_oldest();
    }

    /// Whether an id is in it.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.added.contains_key(id)
    }

    /// The ids, oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.order
            .iter()
            .filter(|addition| counts(&self.added, addition))
            .map(|addition| addition.id.as_str())
    }

    fn forget_oldest(&mut self) {
        while let Some(oldest) = self.order.front() {
            let counts = counts(&self.added, oldest);
            if counts && self.added.len() <= MOST {
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

        for number in 0..60_000 {
            set.insert(number.to_string());
        }

        assert_eq!(set.ids().count(), MOST);
        assert!(!set.contains("9999") && set.contains("10000") && set.contains("59999"));
    }

    #[test]
    fn an_id_that_is_added_again_is_young_again_and_costs_no_more_room() {
        let mut set = LimitedSet::default();
        set.insert("old".into());
        set.insert("again".into());
        set.insert("new".into());
        for _ in 1..200_000 {
            set.insert("again".into());
        }

        assert!(set.order.len() <= 2 * MOST + 1, "{}", set.order.len());
        assert_eq!(set.ids().collect::<Vec<_>>(), ["old", "new", "again"]);
    }
}
