//! Acts on what was decided: every message ends acked, and before that published elsewhere if it goes on.
//!
//! 1. What goes on (a retry, a wait, a dead letter, a task of another program) is published with a confirm first.
//! 2. Only then is the delivery acked. A worker that is killed in between leaves two copies, never none.
//! 3. A publish that fails is tried again for 30 seconds while the delivery is held.
//! 4. If it still fails, the delivery goes back to its queue. It is never left unacked for ever. A task that was
//!    acknowledged before its run has no way back: its successor waits for the broker until a stop, and is given up where
//!    the broker refuses it for 20 s.
//!
//! Most tasks end with a plain ack. The other ways are boxed, else each running task would keep room for them: 5 KB.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use postrider_core::broker::message::Message;
use postrider_core::broker::topology::{DEAD, unclaimed};
use postrider_core::broker::{Broker, PublishError};
use postrider_core::clock::Clock;
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::Reason;

use crate::dead::{self, Burial};
use crate::held::Held;
use crate::patience::{LastWord, Tried, hold, patience};

/// Settles deliveries.
#[derive(Debug)]
pub(crate) struct Settler {
    pub broker: Broker,
    pub shutdown: Shutdown,
    /// Seals what a dead letter holds; without keys it is kept as it is.
    pub keys: Option<KeyRing>,
    /// How many messages the dead-letter queue keeps.
    pub dead_max_length: u64,
    /// The worker's name, for those who look at dead letters.
    pub worker: String,
    /// The time.
    pub clock: Clock,
}

/// A message whose successor can never be published, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    pub held: Held,
    pub error: PublishError,
}

/// What takes a delivery's place.
struct Successor {
    queue: String,
    delay: Duration,
    message: Message,
}

impl Settler {
    /// The message goes on after a wait, to the queue that it came from. Whether it does, unless that can never be.
    pub(crate) fn later(
        &self,
        held: Held,
        delay: Duration,
        next: Message,
    ) -> BoxFuture<'_, Result<bool, Box<Refused>>> {
        let queue = held.queue.to_string();
        async move { self.replace(held, &Successor { queue, delay, message: next }).await }.boxed()
    }

    /// The message goes to the dead-letter queue.
    pub(crate) fn bury<'a>(
        &'a self,
        held: Held,
        burial: &'a Burial<'a>,
        reason: &'a Reason,
    ) -> BoxFuture<'a, ()> {
        self.buried(held, burial, reason).boxed()
    }

    /// The message goes, unchanged, to where the owner of its queue finds it.
    pub(crate) fn leave_to_owner(&self, held: Held) -> BoxFuture<'_, ()> {
        self.left_to_owner(held).boxed()
    }

    /// The message goes back to its queue, if it can.
    pub(crate) async fn give_back(&self, held: Held) {
        let queue = Arc::clone(&held.queue);
        if !held.requeue().await {
            tracing::error!(
                queue.name = %queue,
                "a task that was acknowledged before its run is lost: it cannot go back to its queue"
            );
        }
    }

    async fn buried(&self, held: Held, burial: &Burial<'_>, reason: &Reason) {
        let id = burial.headers.map_or("", |headers| &headers.id);
        tracing::error!(queue.name = %burial.queue, task.id = id, %reason, "message goes to the dead-letter queue");
        metrics::counter!("postrider_dead_letters_total", "reason" => label(&reason.code)).increment(1);
        let depth = self.broker.depth(DEAD).await;
        let letter = dead::letter(&held.message, burial, reason, self.keys.as_ref(), &self.worker);
        let buried =
            self.replace(held, &Successor::at_once(DEAD.into(), letter)).await.is_ok_and(|goes| goes);
        if let Some(depth) = depth.filter(|_| buried) {
            let kept = (depth + 1).min(self.dead_max_length);
            #[expect(clippy::cast_precision_loss, reason = "a queue's length is far below 2^52")]
            metrics::gauge!("postrider_dead_letters").set(kept as f64);
            if depth >= self.dead_max_length {
                tracing::warn!(
                    limit = self.dead_max_length,
                    "the dead-letter queue is full and drops its oldest message"
                );
                metrics::counter!("postrider_dead_letters_dropped_total").increment(1);
            }
        }
    }

    async fn left_to_owner(&self, held: Held) {
        let to = unclaimed(&held.queue);
        let task = held.message.header("task").unwrap_or("").chars().take(128).collect::<String>();
        tracing::warn!(
            queue.name = %held.queue, task.name = %task,
            "a task that is not registered here is forwarded to {to}: give our tasks a queue of their own"
        );
        metrics::counter!("postrider_unclaimed_total", "queue" => held.queue.to_string()).increment(1);
        let mut message = held.message.clone();
        // The broker's own count of deliveries from this queue; everything else is the owner's.
        message.headers.remove("x-delivery-count");
        if let Err(refused) = self.replace(held, &Successor::at_once(to, message)).await {
            self.keep(*refused).await;
        }
    }

    /// Publishes the successor, then acks. Whether it came to that; not as an error, where it can be tried again.
    async fn replace(&self, mut held: Held, successor: &Successor) -> Result<bool, Box<Refused>> {
        held.renew();
        match self.publish(&held, successor).await {
            Tried::Done(()) => {
                held.ack().await;
                Ok(true)
            }
            // It comes again by itself; a successor beside it would be the same task twice.
            Tried::Never(_) | Tried::GaveUp if held.is_lost() => {
                tracing::debug!(queue.name = %held.queue, "the connection of a delivery is lost, and with it its successor");
                held.requeue().await;
                Ok(false)
            }
            Tried::Never(error) if successor.queue != DEAD => Err(Box::new(Refused { held, error })),
            Tried::Never(_) | Tried::GaveUp => {
                tracing::warn!(queue.name = %held.queue, "the delivery goes back to its queue: its successor cannot be published");
                self.give_back(held).await;
                Ok(false)
            }
        }
    }

    /// The message can never go on as it is; a dead letter holds all of it in its body.
    pub(crate) async fn keep(&self, Refused { held, error }: Refused) {
        let queue = held.queue.to_string();
        let burial = Burial { headers: None, queue: &queue, at: self.clock.now() };
        self.bury(held, &burial, &unpublishable(&error)).await;
    }

    async fn publish(&self, held: &Held, successor: &Successor) -> Tried<(), PublishError> {
        let Successor { queue, delay, message } = successor;
        if held.is_lost() {
            return Tried::GaveUp;
        }
        let publish = || self.broker.publish_after(queue, *delay, message).boxed();
        let mut word = LastWord::default();
        let is_final = |error: &PublishError| {
            // What has no way back to its queue fails where it cannot go on, and waits until it can be kept.
            let no_way = held.is_acked() && (queue != DEAD || !error.is_refusal());
            error.is_final() || held.is_lost() || no_way && word.is(error)
        };
        hold(&self.shutdown, patience(held), "its successor is published", is_final, publish).await
    }
}

impl Successor {
    fn at_once(queue: String, message: Message) -> Self {
        Self { queue, delay: Duration::ZERO, message }
    }
}

/// Why a task fails whose message, or what follows it, can never be published.
pub(crate) fn unpublishable(error: &PublishError) -> Reason {
    Reason::new("unpublishable", error.to_string())
}

/// A reason's code as a label: the part that comes from a small set.
fn label(code: &str) -> String {
    code.split(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::held::tests::taken;

    #[tokio::test(start_paused = true)]
    async fn what_was_acknowledged_before_its_run_is_held_until_it_can_go_on_or_is_kept() {
        let shutdown = Shutdown::new();
        let (broker, memory, mut held) = taken(&shutdown).await;
        let message = held.message.clone();
        assert!(held.ack_early().await);
        let clock = Clock::System;
        let settler =
            Settler { broker, shutdown, keys: None, dead_max_length: 10, worker: "w1@test".into(), clock };

        let next = Successor::at_once("gone".into(), message);
        let refused = settler.replace(held, &next).await.unwrap_err();
        assert!(refused.held.is_acked());
        tokio::join!(settler.keep(*refused), async {
            tokio::time::sleep(Duration::from_hours(1)).await;
            memory.declare(DEAD, None);
        });

        assert!(dead::DeadLetter::read(&memory.take(DEAD).unwrap()).reason == "unpublishable");
    }
}
