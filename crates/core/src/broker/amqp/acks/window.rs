//! Which deliveries of a channel are unfinished, and what may be acked: pure bookkeeping.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How many finished ones may wait.
pub(super) const MOST: usize = 64;
/// How long a finished one may wait for the gap below it to close. The timer counts in whole milliseconds, so that this
/// stays within 5 ms.
pub(super) const LONGEST: Duration = Duration::from_millis(3);

/// What is known about the tags from the lowest unfinished one on.
#[derive(Debug)]
pub(super) struct Window {
    /// The tag of the first slot. A channel's first delivery has the tag 1.
    base: u64,
    slots: VecDeque<Slot>,
    /// The finished ones in the order in which they finished, and when; some may have gone out by now.
    order: VecDeque<(u64, Instant)>,
    /// How many are finished and not in a batch.
    waiting: usize,
    /// Whether the channel is gone.
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Unfinished,
    Finished,
    /// Acked or given back.
    Gone,
}

/// What is acked at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// Everything up to this tag.
    pub(super) up_to: Option<u64>,
    /// These alone.
    pub(super) single: Vec<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self { base: 1, slots: VecDeque::new(), order: VecDeque::new(), waiting: 0, closed: false }
    }
}

impl Window {
    /// The broker has handed this one out. It numbers them without a gap, so that a number that has not been seen yet is a
    /// delivery that is still on its way, and must not be acked with those above it.
    pub(super) fn handed_out(&mut self, tag: u64) {
        let Some(index) = self.index(tag) else { return };
        while self.slots.len() <= index {
            self.slots.push_back(Slot::Unfinished);
        }
    }

    /// This one is to be acked. `false` when the channel is gone.
    pub(super) fn finish(&mut self, tag: u64, now: Instant) -> bool {
        if self.closed {
            return false;
        }
        self.set(tag, Slot::Finished);
        self.order.push_back((tag, now));
        self.waiting += 1;
        true
    }

    /// The nack of this one is written.
    pub(super) fn given_back(&mut self, tag: u64) {
        self.set(tag, Slot::Gone);
    }

    /// When the one that has waited longest was finished.
    pub(super) fn oldest(&mut self) -> Option<Instant> {
        while let Some((tag, since)) = self.order.front() {
            if self.slot(*tag) == Some(Slot::Finished) {
                return Some(*since);
            }
            self.order.pop_front();
        }
        None
    }

    /// How many are finished and not in a batch.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether everything that was handed out is acked or given back.
    pub(super) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| *slot == Slot::Gone)
    }

    /// Whether the channel is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The channel is gone. How many finished ones will be handed out again.
    pub(super) fn close(&mut self) -> usize {
        self.closed = true;
        self.waiting
    }

    /// Takes what is to be acked now: all below the gap, and beyond it what has waited long enough.
    pub(super) fn take(&mut self, now: Instant, all: bool) -> Batch {
        let mut batch = Batch::default();
        while let Some(slot) = self.slots.front().filter(|slot| **slot != Slot::Unfinished) {
            if *slot == Slot::Finished {
                batch.up_to = Some(self.base);
                self.waiting -= 1;
            }
            self.slots.pop_front();
            self.base += 1;
        }
        while let Some(since) = self.oldest() {
            if !(all || self.waiting >= MOST || now.duration_since(since) >= LONGEST) {
                break;
            }
            let (tag, _) = self.order.pop_front().expect("the oldest is the first");
            self.set(tag, Slot::Gone);
            self.waiting -= 1;
            batch.single.push(tag);
        }
        batch
    }

    fn slot(&self, tag: u64) -> Option<Slot> {
        self.slots.get(self.index(tag)?).copied()
    }

    fn set(&mut self, tag: u64, state: Slot) {
        if let Some(slot) = self.index(tag).and_then(|index| self.slots.get_mut(index)) {
            *slot = state;
        }
    }

    fn index(&self, tag: u64) -> Option<usize> {
        usize::try_from(tag.checked_sub(self.base)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window with the tags 1 to `count` handed out.
    fn window(count: u64) -> (Window, Instant) {
        let mut window = Window::default();
        (1..=count).for_each(|tag| window.handed_out(tag));
        (window, Instant::now())
    }

    fn batch(up_to: Option<u64>, single: &[u64]) -> Batch {
        Batch { up_to, single: single.to_vec() }
    }

    #[test]
    fn what_is_finished_below_the_lowest_unfinished_tag_goes_out_as_one() {
        let (mut window, now) = window(5);
        for tag in [2, 1, 3] {
            window.finish(tag, now);
        }

        assert_eq!(window.take(now, false), batch(Some(3), &[]));
        assert_eq!(window.take(now, true), batch(None, &[]));
        assert_eq!((window.waiting, window.oldest()), (0, None));
    }

    #[test]
    fn what_is_finished_beyond_a_gap_waits_for_it_no_longer_than_the_limit() {
        let (mut window, now) = window(5);
        for tag in [3, 5] {
            window.finish(tag, now);
        }

        assert_eq!(window.take(now + LONGEST / 2, false), batch(None, &[]));
        assert_eq!(window.oldest(), Some(now));
        assert_eq!(window.take(now + LONGEST, false), batch(None, &[3, 5]));

        // An ack with `multiple` that closes the gap names a tag that is still outstanding: 2, not 3.
        for tag in [1, 2] {
            window.finish(tag, now);
        }
        assert_eq!(window.take(now, false), batch(Some(2), &[]));
        window.finish(4, now);
        assert_eq!(window.take(now, false), batch(Some(4), &[]));
        assert!(window.slots.is_empty());
    }

    #[test]
    fn a_delivery_that_is_seen_after_a_later_one_is_not_acked_with_it() {
        let (mut window, now) = window(0);
        for tag in [1, 3, 2, 4] {
            window.handed_out(tag);
        }
        for tag in [1, 3, 4] {
            window.finish(tag, now);
        }

        assert_eq!(window.take(now, false), batch(Some(1), &[]));
        window.finish(2, now);
        assert_eq!(window.take(now, false), batch(Some(4), &[]));

        window.handed_out(6);
        window.finish(6, now);
        assert_eq!(window.take(now, false), batch(None, &[]), "5 is on its way");
    }

    #[test]
    fn no_more_than_so_many_wait_beyond_a_gap() {
        let (mut window, now) = window(100);
        (2..=100).for_each(|tag| assert!(window.finish(tag, now)));

        let taken = window.take(now, false);

        assert_eq!(taken.up_to, None);
        assert_eq!(taken.single, (2..=37).collect::<Vec<u64>>());
        assert_eq!(window.waiting, MOST - 1);
    }

    #[test]
    fn a_message_that_is_being_given_back_is_not_acked_with_its_neighbours() {
        let (mut window, now) = window(3);
        for tag in [1, 3] {
            window.finish(tag, now);
        }

        assert_eq!(window.take(now, false), batch(Some(1), &[]), "2 is unfinished until its nack is written");
        window.given_back(2);
        assert_eq!(window.take(now, false), batch(Some(3), &[]));
    }

    #[test]
    fn nothing_is_finished_on_a_channel_that_is_gone() {
        let (mut window, now) = window(1);
        window.closed = true;

        assert!(!window.finish(1, now));
    }

    #[test]
    fn every_tag_is_acked_once_whatever_the_order_of_the_ends() {
        let count = 500;
        for step in [1, 7, 101, 333, 499] {
            let (mut window, now) = window(count);
            let mut acked = std::collections::BTreeSet::new();
            let mut unacked: std::collections::BTreeSet<u64> = (1..=count).collect();
            // A walk through all tags in another order for each step: the steps share no factor with 500.
            for n in 0..count {
                window.finish((n * step) % count + 1, now);
                let at = if n % 3 == 0 { now + LONGEST } else { now };
                let Batch { up_to, single } = window.take(at, n + 1 == count);
                for tag in single {
                    assert!(unacked.remove(&tag) && acked.insert(tag), "{tag} is acked twice");
                }
                if let Some(up_to) = up_to {
                    assert!(
                        unacked.contains(&up_to),
                        "{up_to} is not outstanding, the broker would close the channel"
                    );
                    let rest = unacked.split_off(&(up_to + 1));
                    acked.extend(std::mem::replace(&mut unacked, rest));
                }
            }
            assert_eq!((acked.len() as u64, unacked.len()), (count, 0), "step {step}");
        }
    }
}
