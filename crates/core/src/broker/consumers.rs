//! What a consumer is to take messages from: a list that may change while it runs. The adapters follow it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Subscription;
use super::delivery::Delivery;
use super::handover::Handover;

/// How long a change may take before nobody waits for it any longer; it is followed all the same.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);

/// The list with what tells of its changes.
#[derive(Debug)]
pub(super) struct Wanted {
    list: Mutex<Vec<Subscription>>,
    /// The queues of the start.
    first: Vec<String>,
    version: AtomicU64,
    /// Told at each change, and when the consumer is cancelled.
    pub(super) changed: Notify,
    followed: watch::Sender<u64>,
}

/// Changes what a consumer takes messages from, while it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Consumers {
    pub(super) wanted: Arc<Wanted>,
    pub(super) handover: Arc<Handover>,
}

impl Wanted {
    pub(super) fn new(list: Vec<Subscription>) -> Arc<Self> {
        Arc::new(Self {
            first: list.iter().map(|one| one.queue.clone()).collect(),
            list: Mutex::new(list),
            version: AtomicU64::new(1),
            changed: Notify::new(),
            followed: watch::Sender::new(0),
        })
    }

    /// Which list it is now: a number that grows with each change.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What messages are to be taken from.
    pub(super) fn list(&self) -> Vec<Subscription> {
        self.locked().iter().filter(|one| !one.withheld).cloned().collect()
    }

    /// The list of that version is in force.
    pub(super) fn followed(&self, version: u64) {
        self.followed.send_replace(version);
    }

    /// A queue that was added later is not wanted any more. `false` when it is one of the start, or not in the list.
    pub(super) fn give_up(&self, queue: &str) -> bool {
        let without = |list: &mut Vec<Subscription>| {
            let before = list.len();
            list.retain(|one| one.queue != queue);
            list.len() < before
        };
        !self.first.iter().any(|first| first == queue) && self.change(without).is_some()
    }

    /// What was told about it is to be looked at anew.
    pub(super) fn touch(&self) {
        self.change(|_| true);
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Subscription>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the list, if `change` does. The version from which the change is in force.
    fn change(&self, change: impl FnOnce(&mut Vec<Subscription>) -> bool) -> Option<u64> {
        let version = {
            let mut list = self.locked();
            change(&mut list).then(|| self.version.fetch_add(1, Ordering::AcqRel) + 1)
        };
        if version.is_some() {
            self.changed.notify_one();
        }
        version
    }
}

impl Consumers {
    /// What is consumed from now.
    pub fn list(&self) -> Vec<Subscription> {
        self.wanted.list()
    }

    /// Whether messages are taken from this queue, or would be if it were not withheld.
    pub fn consumes(&self, queue: &str) -> bool {
        self.wanted.locked().iter().any(|one| one.queue == queue)
    }

    /// Takes messages from one more queue, which must be there. `false` when it did so already.
    ///
    /// Waits until the broker sends, or for five seconds: without a connection it begins with the next one.
    pub async fn add(&self, subscription: Subscription) -> bool {
        let version = self.wanted.change(|list| {
            let new = list.iter().all(|one| one.queue != subscription.queue);
            if new {
                list.push(subscription);
            }
            new
        });
        self.settled(version).await
    }

    /// Takes no more messages from a queue. What was handed out and not begun goes back, what runs is finished. `false`
    /// when it took none.
    pub async fn cancel(&self, queue: &str) -> bool {
        let version = self.wanted.change(|list| {
            let before = list.len();
            list.retain(|one| one.queue != queue);
            list.len() < before
        });
        self.settled(version).await
    }

    /// Takes nothing from a queue for now, or does so again; its place in the list stays.
    pub async fn withhold(&self, queue: &str, withheld: bool) {
        let version = self.wanted.change(|list| {
            let one = list.iter_mut().find(|one| one.queue == queue && one.withheld != withheld);
            one.map(|one| one.withheld = withheld).is_some()
        });
        self.settled(version).await;
    }

    /// Lets the broker hand out this many messages ahead, for each queue.
    pub fn set_prefetch(&self, prefetch: u16) {
        self.wanted.change(|list| {
            let differs = list.iter().any(|one| one.prefetch != prefetch);
            for one in list {
                one.prefetch = prefetch;
            }
            differs
        });
    }

    /// How long a delivery may wait in this process for somebody to take it. After that, and when nobody takes any, the
    /// deliveries that wait go back to their queues, and the flow stops until somebody asks for one.
    ///
    /// A broker closes the channel of a delivery that is not settled for its consumer timeout, and with it gives back all
    /// that the channel's tasks are just doing.
    pub fn hold_at_most(&self, wait: Duration) {
        self.handover.set_wait(wait);
        // The periods are counted anew.
        self.wanted.touch();
    }

    /// How many deliveries wait in this process for somebody to take them; those still inside of the connection are not
    /// counted.
    pub fn waiting(&self) -> usize {
        self.handover.len()
    }

    /// Looks at the deliveries that wait in this process for somebody to take them.
    pub fn look<T>(&self, see: impl FnMut(&Delivery) -> Option<T>) -> Vec<T> {
        self.handover.look(see)
    }

    async fn settled(&self, version: Option<u64>) -> bool {
        let Some(version) = version else { return false };
        let mut followed = self.wanted.followed.subscribe();
        let in_force = followed.wait_for(|now| *now >= version);
        if tokio::time::timeout(FOLLOWED_WITHIN, in_force).await.is_err() {
            tracing::warn!("a change of the queues to consume waits for the broker");
        }
        true
    }
}
