//! The logical clock that Celery's nodes keep in step: it orders events of many machines whose clocks differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest value that is taken over from another node: above it, another value is a mistake.
const MOST: u64 = 1 << 52;

/// A Lamport clock. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lamport(Arc<AtomicU64>);

impl Lamport {
    /// Its value.
    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One further, for something that happens here.
    pub(crate) fn forward(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Further than another node's, for something that was heard of it.
    pub(crate) fn adjust(&self, other: u64) -> u64 {
        let other = if other > MOST { 0 } else { other };
        let next = |own: u64| own.max(other) + 1;
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |own| Some(next(own)));
        next(before.unwrap_or_else(|own| own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_beyond_what_it_hears_and_never_back() {
        let clock = Lamport::default();

        assert_eq!([clock.forward(), clock.adjust(10), clock.adjust(3), clock.forward()], [1, 11, 12, 13]);
        assert_eq!(clock.adjust(u64::MAX), 14, "a senseless value is not taken over");
        assert_eq!(clock.value(), 14);
    }
}
