//! How large a pool should be that follows its load: a pure decision, as Celery's autoscaler makes it.
//!
//! It grows as soon as more messages are in hand than there are places, and shrinks once there have been more places than
//! messages for thirty seconds. (Celery waits until no message at all has come for so long: there a busy worker never
//! shrinks.)

use std::time::Duration;

/// How long places must have been to spare before the pool gets smaller: Celery's `AUTOSCALE_KEEPALIVE`.
const KEEP: Duration = Duration::from_secs(30);

/// Between what a pool's size may change by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autoscale {
    /// At the most.
    pub max: usize,
    /// At the least.
    pub min: usize,
}

/// What is done about the size now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Up(usize),
    Down(usize),
    Stay,
}

/// Decides again and again, and remembers since when there are places to spare.
#[derive(Debug)]
pub(crate) struct Autoscaler {
    pub range: Autoscale,
    spare_for: Duration,
}

impl Autoscale {
    /// Both numbers in whichever order they are given, the larger one at least 1, as Celery's `--autoscale` reads them.
    pub fn new(one: usize, other: usize) -> Self {
        Self { max: one.max(other).max(1), min: one.min(other) }
    }
}

impl Autoscaler {
    pub(crate) fn new(range: Autoscale) -> Self {
        Self { range, spare_for: Duration::ZERO }
    }

    /// Changes the range. The maximum has the last word.
    pub(crate) fn change(&mut self, max: Option<usize>, min: Option<usize>) {
        let Autoscale { max: before, min: least } = self.range;
        let max = max.unwrap_or(before).max(1);
        self.range = Autoscale { max, min: min.unwrap_or(least).min(max) };
    }

    /// `reserved` is how many messages are in hand, running or not; `passed` the time since it was last asked.
    pub(crate) fn decide(&mut self, reserved: usize, size: usize, passed: Duration) -> Scale {
        let Autoscale { max, min } = self.range;
        // Not `clamp`, which panics where whoever set them crossed the two.
        let wanted = reserved.max(min).min(max).max(1);
        if wanted >= size {
            self.spare_for = Duration::ZERO;
            return if wanted > size { Scale::Up(wanted - size) } else { Scale::Stay };
        }
        self.spare_for += passed;
        if self.spare_for > KEEP { Scale::Down(size - wanted) } else { Scale::Stay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_pool_grows_at_once_and_shrinks_after_thirty_seconds_with_places_to_spare() {
        let mut scaler = Autoscaler::new(Autoscale::new(2, 10));

        assert_eq!(scaler.decide(0, 2, SECOND), Scale::Stay);
        assert_eq!(scaler.decide(7, 2, SECOND), Scale::Up(5));
        assert_eq!(scaler.decide(50, 7, SECOND), Scale::Up(3));
        for _ in 0..30 {
            assert_eq!(scaler.decide(4, 10, SECOND), Scale::Stay);
        }
        assert_eq!(scaler.decide(4, 10, SECOND), Scale::Down(6));
        assert_eq!(scaler.decide(0, 4, SECOND), Scale::Down(2));
    }

    #[test]
    fn a_moment_without_places_to_spare_begins_the_wait_anew() {
        let mut scaler = Autoscaler::new(Autoscale::new(10, 0));

        for second in 0..100 {
            let reserved = if second % 20 == 0 { 5 } else { 1 };
            assert_eq!(scaler.decide(reserved, 5, SECOND), Scale::Stay);
        }
    }

    #[test]
    fn the_larger_number_is_the_maximum_and_nothing_is_below_one_place() {
        assert_eq!(Autoscale::new(1, 4), Autoscale { max: 4, min: 1 });
        assert_eq!(Autoscale::new(0, 0), Autoscale { max: 1, min: 0 });
        let mut scaler = Autoscaler::new(Autoscale::new(4, 0));
        assert_eq!(scaler.decide(0, 1, SECOND), Scale::Stay);
    }

    #[test]
    fn a_minimum_above_the_maximum_is_the_maximum() {
        let mut scaler = Autoscaler::new(Autoscale { max: 2, min: 3 });

        assert_eq!(scaler.decide(0, 1, SECOND), Scale::Up(1));
        assert_eq!(scaler.decide(9, 2, SECOND), Scale::Stay);
        scaler.change(Some(5), None);
        scaler.change(None, Some(4));
        assert_eq!(scaler.range, Autoscale { max: 5, min: 4 });
        scaler.change(Some(2), None);
        assert_eq!(scaler.range, Autoscale { max: 2, min: 2 });
    }
}
