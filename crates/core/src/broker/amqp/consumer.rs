//! Consuming on a connection of its own, a channel a queue.
//!
//! 1. The stream of deliveries that the worker sees goes on across lost connections. Deliveries that were taken before
//!    the loss can no longer be acked; the broker hands them out again.
//! 2. What is consumed may change at any time. The list of what is wanted is the truth; each session, and each change of
//!    the list, brings the channels to agree with it ([`flow`]).
//! 3. What the broker handed out waits in the client library and in the [`Handover`] for somebody to take it. In periods
//!    of an eighth of the longest wait, what lies in the library is taken out and marked; what is still there eight
//!    periods later goes back with all that waits, and the flow stops until somebody asks. Each message by itself costs
//!    nothing for this.

mod flow;
mod numbered;
mod source;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::try_join_all;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::flow::{Agreed, Flow};
use super::super::Subscription;
use super::super::consumers::Wanted;
use super::super::delivery::Consumer;
use super::super::handover::{Handover, Pushed};
use super::connect::{AmqpConfig, LinkError, close};
use super::declared::Declared;
use super::{declare, supervisor};
use crate::shutdown::Shutdown;

/// How many deliveries lie between the connection and the pool. They are given back when the consumer is cancelled.
const HANDED_OVER: usize = 64;
/// How many periods a delivery may wait.
const PERIODS: u32 = 8;
const SHORTEST_PERIOD: Duration = Duration::from_millis(20);

pub(super) fn start(
    config: Arc<AmqpConfig>,
    declared: Arc<Declared>,
    subscriptions: Vec<Subscription>,
    shutdown: &Shutdown,
) -> Consumer {
    let (handover, wanted) = (Handover::new(HANDED_OVER), Wanted::new(subscriptions));
    let (cancel, closing) = (CancellationToken::new(), CancellationToken::new());
    let live = Arc::new(AtomicBool::new(false));
    let session = Session {
        config,
        declared,
        wanted: Arc::clone(&wanted),
        handover: Arc::clone(&handover),
        cancel: cancel.clone(),
        close: closing.clone(),
        live: Arc::clone(&live),
        failed: AtomicBool::new(false),
    };
    shutdown.spawn(async move {
        let stop = session.cancel.clone();
        supervisor::keep("consume", &stop, &session).await;
    });
    Consumer { handover, wanted, cancel, close: closing, live }
}

struct Session {
    config: Arc<AmqpConfig>,
    declared: Arc<Declared>,
    wanted: Arc<Wanted>,
    handover: Arc<Handover>,
    cancel: CancellationToken,
    close: CancellationToken,
    live: Arc<AtomicBool>,
    /// Whether an earlier session ended with an error.
    failed: AtomicBool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.handover.end();
    }
}

impl supervisor::Session for Session {
    async fn run(&self, held: &mut bool) -> Result<(), LinkError> {
        let ended = self.consume(held).await;
        self.live.store(false, Ordering::SeqCst);
        // What nobody has taken comes again on the next connection, and can be acked only there.
        drop(self.handover.take_all());
        ended
    }
}

/// Why handing out has stopped.
enum Turn {
    /// The consumer is cancelled.
    Stop,
    /// Other queues are wanted.
    Changed,
    /// Nobody has taken a delivery for the longest wait.
    Overdue,
}

impl Session {
    async fn consume(&self, held: &mut bool) -> Result<(), LinkError> {
        let connection = self.config.connect("consume").await?;
        // The publishing connection makes sure of the queues when both connect. Only when this one failed by itself,
        // for example because its queue was deleted, must it look for itself.
        if self.failed.swap(true, Ordering::SeqCst) {
            declare::ensure(&connection, &self.declared.topology(), &self.config).await?;
        }
        let mut flow = Flow::new(&connection, self.config.connect_timeout);
        self.follow(&mut flow).await?;
        *held = true;
        loop {
            let acks = flow.acks();
            let flushing = try_join_all(acks.iter().map(|acks| acks.keep_flushing()));
            let goes_on = tokio::select! {
                goes_on = self.one_turn(&mut flow) => goes_on?,
                Err(error) = flushing => return Err(error),
            };
            if !goes_on {
                break;
            }
        }
        for acks in flow.acks() {
            let flushed = tokio::time::timeout(self.config.connect_timeout, acks.flush_all()).await;
            flushed.map_err(|_| LinkError::Timeout(self.config.connect_timeout))??;
        }
        close(&connection, self.config.connect_timeout).await;
        Ok(())
    }

    /// Hands out until something else is to be done, and does it. `false` when that was the end.
    async fn one_turn(&self, flow: &mut Flow<'_>) -> Result<bool, LinkError> {
        match self.hand_out(flow).await? {
            Turn::Changed => self.follow(flow).await.map(|()| true),
            Turn::Overdue => self.pause(flow).await.map(|()| true),
            Turn::Stop => self.finish(flow).await.map(|()| false),
        }
    }

    async fn hand_out(&self, flow: &mut Flow<'_>) -> Result<Turn, LinkError> {
        if self.cancel.is_cancelled() {
            return Ok(Turn::Stop);
        }
        let mut room = true;
        let period = (self.handover.wait() / PERIODS).max(SHORTEST_PERIOD);
        let mut periods = tokio::time::interval_at(Instant::now() + period, period);
        periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Each wait looks at the rest last: what is there already costs no registration with them. The end of the consumer
        // is a change too.
        while self.wanted.version() == flow.version {
            let delivery = if !room {
                tokio::select! {
                    biased;
                    () = self.handover.room() => room = true,
                    () = self.wanted.changed.notified() => {}
                    _ = periods.tick() => if self.is_overdue(flow)? { return Ok(Turn::Overdue) },
                }
                None
            } else if let Some(held) = flow.next_held() {
                Some(held)
            } else {
                tokio::select! {
                    biased;
                    item = flow.streams.next(), if !flow.streams.is_empty() => match item {
                        Some((number, item)) => flow.delivery(number, item)?,
                        None => None,
                    },
                    () = self.wanted.changed.notified() => None,
                    _ = periods.tick() => if self.is_overdue(flow)? { return Ok(Turn::Overdue) } else { None },
                }
            };
            match delivery.map(|delivery| self.handover.push(delivery)) {
                Some(Pushed::Full) => room = false,
                Some(Pushed::Closed(delivery)) => {
                    delivery.requeue().await;
                }
                Some(Pushed::Room) | None => {}
            }
        }
        Ok(if self.cancel.is_cancelled() { Turn::Stop } else { Turn::Changed })
    }

    /// A period is over: whether something has waited for too many of them.
    fn is_overdue(&self, flow: &mut Flow<'_>) -> Result<bool, LinkError> {
        flow.next_period()?;
        let oldest = self.handover.oldest().or_else(|| flow.oldest_held());
        Ok(oldest.is_some_and(|period| flow.period.saturating_sub(period) > PERIODS))
    }

    /// Consumes what is wanted now, and no more than that.
    async fn follow(&self, flow: &mut Flow<'_>) -> Result<(), LinkError> {
        let (version, list) = (self.wanted.version(), self.wanted.list());
        let Agreed { ended, refused } = flow.agree(&list).await?;
        for (queue, error) in refused {
            // One of the first queues may become readable, and without it the worker is not what it was started for.
            if !self.wanted.give_up(&queue) {
                return Err(error);
            }
            tracing::error!(queue.name = %queue, %error, "a queue that was added cannot be consumed: it is left out");
        }
        for queue in ended {
            flow.give_back(self.handover.take_of(&queue)).await?;
        }
        flow.version = version;
        self.live.store(!list.is_empty(), Ordering::SeqCst);
        self.wanted.followed(version);
        Ok(())
    }

    /// Gives back what waits, and waits until somebody asks for a delivery.
    async fn pause(&self, flow: &mut Flow<'_>) -> Result<(), LinkError> {
        let wait = self.handover.wait();
        flow.stop().await?;
        let count = flow.give_back(self.handover.take_all()).await?;
        tracing::warn!(
            count,
            ?wait,
            "messages waited too long for a task to end and go back: the pool is busy"
        );
        loop {
            tokio::select! {
                () = self.handover.asked() => break,
                () = self.wanted.changed.notified() => self.wanted.followed(self.wanted.version()),
            }
        }
        if self.cancel.is_cancelled() { Ok(()) } else { self.follow(flow).await }
    }

    /// Takes nothing more, and waits until the worker says that it is done: what it has taken is acked on this connection.
    async fn finish(&self, flow: &mut Flow<'_>) -> Result<(), LinkError> {
        self.live.store(false, Ordering::SeqCst);
        flow.stop().await?;
        if let Err(error) = flow.give_back(VecDeque::new()).await {
            tracing::debug!(%error, "prefetched messages go back when the connection closes");
        }
        self.close.cancelled().await;
        Ok(())
    }
}
