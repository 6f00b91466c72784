//! The messages that are worked on here, and those that lately were: what the broker hands out again is not run again.
//!
//! 1. When a connection is lost the broker takes back what was not acknowledged, while the tasks go on here.
//! 2. A message that comes again meanwhile is left to the run that it has: its new delivery is settled with the first
//!    one, and in the same way.
//! 3. One that comes again afterwards, because its ack was lost, is acknowledged. One that went back to its queue is run.
//!
//! Only what the broker says it handed out before is looked up: copies that a producer published are each run. A retry, a
//! task that waited and a dead letter that is replayed are other messages than what they came from: a count or the time
//! differs.
//!
//! None of these deliveries may be left unsettled: the broker would keep it for this worker, in its prefetch, until its
//! timeout.

use std::array;
use std::collections::{HashMap, VecDeque, hash_map::Entry};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use postrider_core::broker::Delivery;
use postrider_core::celery::TaskHeaders;

use crate::dead::REPLAYS_HEADER;
use crate::held::Held;
use crate::postpone::{WAITS_HEADER, number};

/// Locks that the messages are spread over.
const SHARDS: usize = 16;
/// How many that have ended are remembered, a shard: all that can end while a connection is rebuilt.
const ENDED: usize = 1024;
/// For how long they are.
const LATELY: Duration = Duration::from_mins(5);

/// The messages that are worked on. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    /// By message: further deliveries of it.
    running: HashMap<u64, Vec<Delivery>>,
    ended: VecDeque<(u64, Instant)>,
}

/// That a message is worked on. Dropping it says that it was not settled.
#[derive(Debug)]
pub(crate) struct Claim {
    runs: Runs,
    /// Until it has ended.
    message: Option<u64>,
}

/// What becomes of a message that has come.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is worked on.
    Now(Held),
    /// It is worked on already, and its delivery was left to that run.
    Before,
    /// It was settled before: it is only to be acknowledged.
    Ended(Held),
}

impl Default for Inner {
    fn default() -> Self {
        Self { shards: array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Runs {
    /// Begins to work on a message, unless that was done before. A copy of one that is worked on has no claim.
    pub(crate) fn begin(&self, headers: &TaskHeaders, mut held: Held) -> Begun {
        let TaskHeaders { task, id, retries, eta, .. } = headers;
        // An `eta` stays as it is, however often its message has to wait for it.
        let (replays, waits) = (number(&held.message, REPLAYS_HEADER), number(&held.message, WAITS_HEADER));
        let message = self.0.hasher.hash_one((task, id, retries, eta, replays, waits));
        self.shard(message, |shard| {
            if held.redelivered && shard.has_ended(message) {
                return Begun::Ended(held);
            }
            match shard.running.entry(message) {
                Entry::Occupied(mut again) if held.redelivered => {
                    again.get_mut().extend(held.into_delivery());
                    return Begun::Before;
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(Vec::new());
                    held.claim = Some(Claim { runs: self.clone(), message: Some(message) });
                }
            }
            Begun::Now(held)
        })
    }

    fn shard<T>(&self, message: u64, use_it: impl FnOnce(&mut Shard) -> T) -> T {
        #[expect(clippy::cast_possible_truncation, reason = "any bits do")]
        let shard = &self.0.shards[message as usize % SHARDS];
        use_it(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn remember(&mut self, message: u64) {
        if self.ended.len() >= ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((message, Instant::now()));
    }

    fn has_ended(&self, message: u64) -> bool {
        self.ended.iter().any(|(ended, at)| *ended == message && at.elapsed() < LATELY)
    }
}

impl Claim {
    /// The message was dealt with, and needs no run any more. Gives the deliveries that are to be acknowledged with it.
    pub(crate) fn settled(mut self) -> Vec<Delivery> {
        self.end(true)
    }

    /// The message is to be run when it comes again. Gives the deliveries that are settled with it.
    pub(crate) fn forgotten(mut self) -> Vec<Delivery> {
        self.end(false)
    }

    /// A delivery that came since on a connection that is there, in place of one that is lost.
    pub(crate) fn live(&self) -> Option<Delivery> {
        let message = self.message?;
        self.runs.shard(message, |shard| {
            let again = shard.running.get_mut(&message)?;
            again.iter().rposition(|delivery| !delivery.is_lost()).map(|at| again.swap_remove(at))
        })
    }

    fn end(&mut self, remembered: bool) -> Vec<Delivery> {
        let Some(message) = self.message.take() else { return Vec::new() };
        self.runs.shard(message, |shard| {
            if remembered {
                shard.remember(message);
            }
            shard.running.remove(&message).unwrap_or_default()
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.end(false);
    }
}

#[cfg(test)]
mod tests {
    use postrider_core::broker::{Broker, Consumer, MemoryBroker, Subscription};
    use postrider_core::shutdown::Shutdown;

    use super::*;
    use crate::tracker::tests::call;

    /// The same message from a queue in memory, handed out for the first time or again.
    async fn handed_out(
        broker: &Broker,
        consumer: &mut Consumer,
        id: &str,
        again: bool,
    ) -> (TaskHeaders, Held) {
        let (headers, message, queue) = call(id);
        broker.publish(&queue, &message).await.unwrap();
        let mut delivery = consumer.next().await.unwrap();
        if again {
            delivery.requeue().await;
            delivery = consumer.next().await.unwrap();
        }
        (headers, Held::from(delivery))
    }

    fn queue(shutdown: &Shutdown) -> (Broker, Consumer, MemoryBroker) {
        let memory = MemoryBroker::new(shutdown);
        memory.declare("celery", None);
        let broker = Broker::Memory(memory.clone());
        let all = Subscription { queue: "celery".into(), prefetch: 0, withheld: false };
        let consumer = broker.consume(vec![all], shutdown);
        (broker, consumer, memory)
    }

    #[tokio::test]
    async fn what_comes_again_is_settled_with_the_run_that_it_has_and_afterwards_at_once() {
        let shutdown = Shutdown::new();
        let (broker, mut consumer, memory) = queue(&shutdown);
        let runs = Runs::default();

        let (headers, first) = handed_out(&broker, &mut consumer, "a", false).await;
        let Begun::Now(first) = runs.begin(&headers, first) else { panic!("it does not run yet") };
        let (headers, again) = handed_out(&broker, &mut consumer, "a", true).await;
        assert!(matches!(runs.begin(&headers, again), Begun::Before));
        first.ack().await;
        assert!(memory.is_drained(&[]), "both are acked");

        let (headers, late) = handed_out(&broker, &mut consumer, "a", true).await;
        assert!(matches!(runs.begin(&headers, late), Begun::Ended(_)));
        let (headers, copy) = handed_out(&broker, &mut consumer, "a", false).await;
        assert!(matches!(runs.begin(&headers, copy), Begun::Now(_)), "a copy is run");
        let retry = TaskHeaders { retries: 1, ..headers };
        let (_, again) = handed_out(&broker, &mut consumer, "a", true).await;
        assert!(matches!(runs.begin(&retry, again), Begun::Now(_)), "a retry is run");
    }

    #[tokio::test]
    async fn what_went_back_is_run_when_it_comes_again() {
        let shutdown = Shutdown::new();
        let (broker, mut consumer, _memory) = queue(&shutdown);
        let runs = Runs::default();
        let (headers, first) = handed_out(&broker, &mut consumer, "a", false).await;
        let Begun::Now(first) = runs.begin(&headers, first) else { panic!("it does not run yet") };

        assert!(first.requeue().await);

        let again = Held::from(consumer.next().await.unwrap());
        assert!(again.redelivered && matches!(runs.begin(&headers, again), Begun::Now(_)));
    }
}
