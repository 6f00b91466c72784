//! Places for tasks that are reused, found by their number.

use std::sync::Arc;

use super::Tracked;

/// Tasks by the number of their place.
#[derive(Debug, Default)]
pub(super) struct Slab {
    places: Vec<Option<Arc<Tracked>>>,
    free: Vec<usize>,
}

impl Slab {
    /// Puts a task into a free place, and tells which.
    pub(super) fn insert(&mut self, tracked: Arc<Tracked>) -> usize {
        if let Some(place) = self.free.pop() {
            self.places[place] = Some(tracked);
            place
        } else {
            self.places.push(Some(tracked));
            self.places.len() - 1
        }
    }

    /// Takes the task out of a place.
    pub(super) fn remove(&mut self, place: usize) -> Option<Arc<Tracked>> {
        let tracked = self.places[place].take();
        if tracked.is_some() {
            self.free.push(place);
        }
        tracked
    }

    /// All tasks.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Tracked>> {
        self.places.iter().flatten()
    }
}
