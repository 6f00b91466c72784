//! What watches the tasks: who is here now, what is said about them, what was revoked, how many there were.
//!
//! Whoever runs a message does this, in this order; nothing is locked, serialized or copied for what is switched off:
//! 1. `observer.revokes(&arrived)` before anything else: a revoked task is settled as REVOKED, and
//!    `observer.events.revoked(id, Revocation::Revoked)` says so.
//! 2. `let entry = observer.received(&arrived)` for a task that will be run: tools list it as reserved and hear
//!    `task-received`. The entry is dropped when the message is settled.
//! 3. `entry.acknowledged()` when it was acked before its run, then `entry.started()`: it is active and counted.
//! 4. While it runs, `entry.terminated()` is awaited beside it: a client wants it stopped. A task that was told so
//!    before its start must not start: the same await ends at once.
//! 5. One of `entry.succeeded(..)`, `failed(..)`, `retried(..)`, `rejected(..)` says how it ended, and
//!    `observer.events.revoked(..)` that it was stopped. `Ignore` says nothing, as in Celery.
//! 6. A task that is not run but waits down the delay ladder is `entry.postponed(eta)`, or
//!    `observer.postponed(&arrived, eta)` when it was never received, which says so on its first arrival.

use std::time::Duration;

use jiff::Timestamp;
use postrider_core::celery::Exception;
use postrider_core::clock::Clock;
use serde_json::Value;

pub(crate) use crate::events::{Events, Revocation};
pub(crate) use crate::revoked::Revoked;
pub(crate) use crate::stats::Stats;
use crate::tracker::Slot;
pub(crate) use crate::tracker::{Arrived, Tracker};

/// All that watches the tasks of a worker.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    /// What is here now.
    pub tracker: Tracker,
    /// What is said about it.
    pub events: Events,
    /// What must not run.
    pub revoked: Revoked,
    /// How many there were.
    pub stats: Stats,
    /// The time.
    pub clock: Clock,
}

/// A message that is held here. It is no longer shown once it is dropped.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    observer: &'a Observer,
    slot: Slot,
}

impl Observer {
    /// Whether a client has revoked this task, by its id or by one of its stamps.
    pub(crate) fn revokes(&self, arrived: &Arrived<'_>) -> bool {
        self.revoked.holds(&arrived.headers.id, arrived.message)
    }

    /// A task is taken in, and will be run unless something comes between.
    pub(crate) fn received(&self, arrived: &Arrived<'_>) -> Entry<'_> {
        if !arrived.announced && self.events.on() {
            self.events.received(arrived);
        }
        Entry { observer: self, slot: self.tracker.hold(arrived) }
    }

    /// A task waits for its time down the delay ladder. Whether it was said by now that it was received, so that
    /// nobody has to say it when its time has come: Celery says it at once. Of a message that was handed out before
    /// somebody may have.
    pub(crate) fn postponed(&self, arrived: &Arrived<'_>, eta: Timestamp) -> bool {
        self.tracker.postpone(arrived, eta, self.clock.now());
        let new = !arrived.announced && !arrived.redelivered && self.events.on();
        if new {
            self.events.received(arrived);
        }
        arrived.announced || new
    }
}

impl Entry<'_> {
    /// Its message was acked before its run.
    pub(crate) fn acknowledged(&self) {
        self.slot.tracked.acknowledged();
    }

    /// It runs from now on.
    pub(crate) fn started(&self) {
        let tracked = &self.slot.tracked;
        tracked.started(self.observer.clock.now_ms());
        self.observer.tracker.one_more_active();
        self.observer.stats.started(tracked.task);
        if self.observer.events.on() {
            self.observer.events.started(&tracked.id);
        }
    }

    /// Waits until a client wants it stopped, and says by which of Unix's signals; mostly for ever.
    pub(crate) async fn terminated(&self) -> u8 {
        self.slot.tracked.terminated().await
    }

    /// It ended with a value.
    pub(crate) fn succeeded(&self, value: &Value, runtime: Duration) {
        if self.observer.events.on() {
            let tracked = &self.slot.tracked;
            self.observer.events.succeeded(&tracked.id, value, runtime, tracked.sensitive);
        }
    }

    /// It ended with an exception and will not be tried again.
    pub(crate) fn failed(&self, exception: &Exception) {
        if self.observer.events.on() {
            self.observer.events.failed(&self.slot.tracked.id, exception);
        }
    }

    /// It ended with an exception and will be tried again.
    pub(crate) fn retried(&self, exception: &Exception) {
        if self.observer.events.on() {
            self.observer.events.retried(&self.slot.tracked.id, exception);
        }
    }

    /// Its message was rejected.
    pub(crate) fn rejected(&self, requeue: bool) {
        if self.observer.events.on() {
            self.observer.events.rejected(&self.slot.tracked.id, requeue);
        }
    }

    /// It goes down the delay ladder, and is listed as scheduled.
    pub(crate) fn postponed(&self, eta: Timestamp) {
        self.observer.tracker.postpone_held(&self.slot, eta, self.observer.clock.now());
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.observer.tracker.release(&self.slot);
    }
}
