//! Acknowledges the deliveries of one channel, those that are finished together with one frame where it can.
//!
//! 1. The broker numbers the deliveries of a channel (delivery tags) in the order in which it hands them out, from 1 on.
//! 2. Up to the lowest unfinished tag, what is finished goes out as one ack with `multiple` set, as soon as the tasks
//!    that are about to finish have had their turn, or 64 are waiting.
//! 3. What is finished beyond it waits for the gap to close, at most 5 ms or 64 of them, and is then acked one by one.
//! 4. What is finished and not yet acked when a process is killed is handed out again; the two bounds keep that small.
//!
//! `basic.ack` with `multiple` is defined in AMQP 0-9-1, section 1.8.3.13. A tag must be outstanding when it is named,
//! and everything below it is settled with it: a message that is given back stays unfinished here until its nack is
//! written.

mod window;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::try_join_all;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connect::LinkError;
use window::{Batch, LONGEST, MOST, Window};

/// Settles the deliveries of one channel.
#[derive(Debug)]
pub(super) struct Acks {
    channel: Channel,
    window: Mutex<Window>,
    finished: Notify,
}

/// Settles one delivery.
#[derive(Debug)]
pub(in super::super) struct Ticket {
    acks: Arc<Acks>,
    tag: u64,
}

impl Acks {
    pub(super) fn new(channel: Channel) -> Arc<Self> {
        Arc::new(Self { channel, window: Mutex::default(), finished: Notify::new() })
    }

    /// A delivery was handed out.
    pub(super) fn ticket(self: &Arc<Self>, tag: u64) -> Ticket {
        self.window().handed_out(tag);
        Ticket { acks: Arc::clone(self), tag }
    }

    /// Acks what is finished, until the channel fails.
    pub(super) async fn keep_flushing(&self) -> Result<Infallible, LinkError> {
        loop {
            self.wait().await;
            self.flush(false).await?;
        }
    }

    /// Acks all that is finished.
    pub(super) async fn flush_all(&self) -> Result<(), LinkError> {
        self.flush(true).await
    }

    /// Whether everything that was handed out is settled.
    pub(super) fn is_idle(&self) -> bool {
        self.window().is_idle()
    }

    /// The channel is gone: what is finished now will be handed out again.
    pub(super) fn close(&self) {
        let lost = self.window().close();
        lost_acks(lost);
    }

    /// Until something may have to go out.
    async fn wait(&self) {
        let oldest = self.window().oldest();
        match oldest {
            Some(since) => {
                tokio::select! {
                    () = self.finished.notified() => {}
                    () = tokio::time::sleep_until(since + LONGEST) => {}
                }
            }
            None => self.finished.notified().await,
        }
        // Tasks that are about to finish get their turn first, so that a busy worker acks many with one frame and an
        // idle one at once.
        let (begun, mut seen) = (Instant::now(), 0);
        loop {
            let waiting = self.window().waiting();
            if waiting == seen || waiting >= MOST || begun.elapsed() >= LONGEST {
                return;
            }
            seen = waiting;
            tokio::task::yield_now().await;
        }
    }

    async fn flush(&self, all: bool) -> Result<(), LinkError> {
        let Batch { up_to, single } = self.window().take(Instant::now(), all);
        // A quorum queue takes some thirty acks at a time, and the rest is lost when the channel closes meanwhile. So the
        // one that stands for many goes first.
        let frames =
            up_to.map(|tag| (tag, true)).into_iter().chain(single.into_iter().map(|tag| (tag, false)));
        // All frames are queued in this order before the first is waited for.
        try_join_all(frames.map(|(tag, multiple)| self.channel.basic_ack(tag, BasicAckOptions { multiple })))
            .await?;
        Ok(())
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The task is finished. `false` when the channel is gone, so that the message is handed out again.
    pub(in super::super) fn ack(&self) -> bool {
        let kept = self.acks.window().finish(self.tag, Instant::now());
        if kept {
            self.acks.finished.notify_one();
        } else {
            lost_acks(1);
        }
        kept
    }

    /// Whether the channel is gone, so that the message is handed out again.
    pub(in super::super) fn is_lost(&self) -> bool {
        self.acks.window().is_closed()
    }

    /// The message goes back to its queue.
    pub(in super::super) async fn requeue(&self) -> bool {
        let options = BasicNackOptions { multiple: false, requeue: true };
        let done = self.acks.channel.basic_nack(self.tag, options).await.is_ok();
        if done {
            self.acks.window().given_back(self.tag);
            self.acks.finished.notify_one();
        } else {
            lost_acks(1);
        }
        done
    }
}

fn lost_acks(count: usize) {
    if count > 0 {
        tracing::debug!(count, "acks were lost with their connection");
        metrics::counter!("postrider_acks_lost_total").increment(count as u64);
    }
}
