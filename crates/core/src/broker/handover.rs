//! What lies between a broker's connection and the pool: a short queue of deliveries in this process.
//!
//! It is a queue and no channel because deliveries must come back out of it at both ends: those that have waited for a
//! place in the pool for too long go back to the broker, and so do all when the consumer is cancelled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::delivery::Delivery;

/// How long a delivery waits for a place by default: a quarter of RabbitMQ's `consumer_timeout`.
const WAIT: Duration = Duration::from_secs(450);

/// Deliveries that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Handover {
    state: Mutex<State>,
    filled: Notify,
    /// Told when there is room again, and when somebody asks for a delivery while the flow is paused.
    wanted: Notify,
    /// How many it holds; a producer that was told so stops, one that was not yet may add one more.
    bound: usize,
    /// How long a delivery may wait, in milliseconds.
    wait: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Delivery>,
    /// Somebody has found nothing, and waits.
    asking: bool,
    paused: bool,
    closed: bool,
}

/// What became of a delivery that was pushed.
#[derive(Debug)]
pub(super) enum Pushed {
    /// It waits, and so may another.
    Room,
    /// It waits, and is the last that should for now.
    Full,
    /// Nobody will take it.
    Closed(Box<Delivery>),
}

impl Handover {
    pub(super) fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            filled: Notify::new(),
            wanted: Notify::new(),
            bound,
            wait: AtomicU64::new(millis(WAIT)),
        })
    }

    pub(super) fn push(&self, delivery: Delivery) -> Pushed {
        let (was_empty, full) = {
            let mut state = self.state();
            if state.closed {
                return Pushed::Closed(Box::new(delivery));
            }
            state.waiting.push_back(delivery);
            (state.waiting.len() == 1, state.waiting.len() >= self.bound)
        };
        if was_empty {
            self.filled.notify_one();
        }
        if full { Pushed::Full } else { Pushed::Room }
    }

    /// The next delivery; `None` once it is closed and empty.
    pub(super) async fn next(&self) -> Option<Delivery> {
        loop {
            {
                let mut state = self.state();
                let was_full = state.waiting.len() >= self.bound;
                if let Some(delivery) = state.waiting.pop_front() {
                    state.asking = false;
                    drop(state);
                    if was_full {
                        self.wanted.notify_waiters();
                    }
                    return Some(delivery);
                }
                if state.closed {
                    return None;
                }
                state.asking = true;
                if state.paused {
                    self.wanted.notify_waiters();
                }
            }
            // A push since then has left a permit.
            self.filled.notified().await;
        }
    }

    /// Waits until it takes another delivery, or is closed.
    pub(super) async fn room(&self) {
        self.until(|state, bound| state.closed || state.waiting.len() < bound).await;
    }

    /// Waits until somebody asks for a delivery, or it is closed.
    pub(super) async fn asked(&self) {
        self.state().paused = true;
        self.until(|state, _| state.closed || state.asking).await;
        self.state().paused = false;
    }

    /// Nothing comes in any more. What was waiting is handed out to the last.
    pub(super) fn end(&self) {
        self.state().closed = true;
        self.filled.notify_one();
        self.wanted.notify_waiters();
    }

    /// Looks at all that waits.
    pub(super) fn look<T>(&self, see: impl FnMut(&Delivery) -> Option<T>) -> Vec<T> {
        self.state().waiting.iter().filter_map(see).collect()
    }

    /// Takes out all that waits.
    pub(super) fn take_all(&self) -> VecDeque<Delivery> {
        let taken = std::mem::take(&mut self.state().waiting);
        self.wanted.notify_waiters();
        taken
    }

    /// Takes out what waits from one queue.
    pub(super) fn take_of(&self, queue: &str) -> VecDeque<Delivery> {
        let (taken, kept) = {
            let mut state = self.state();
            let waiting = std::mem::take(&mut state.waiting);
            let (taken, kept): (VecDeque<_>, _) = waiting.into_iter().partition(|one| *one.queue == *queue);
            let count = kept.len();
            state.waiting = kept;
            (taken, count)
        };
        if kept < self.bound {
            self.wanted.notify_waiters();
        }
        taken
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// In which period the delivery arrived that has waited longest.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.state().waiting.front().map(|delivery| delivery.period)
    }

    /// How long a delivery may wait.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait.load(Ordering::Relaxed))
    }

    pub(super) fn set_wait(&self, wait: Duration) {
        self.wait.store(millis(wait), Ordering::Relaxed);
    }

    async fn until(&self, enough: impl Fn(&State, usize) -> bool) {
        loop {
            let mut wanted = std::pin::pin!(self.wanted.notified());
            // Before the look, so that what happens right after it is not missed.
            wanted.as_mut().enable();
            if enough(&self.state(), self.bound) {
                return;
            }
            wanted.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
