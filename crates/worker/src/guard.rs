//! Watches a run: a panic is an error, and the hard stop, a termination or a time limit is an end.
//!
//! A task that ends at its first poll, as a small one does, costs no timer and no registration with anything.

use std::any::Any;
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use futures::{FutureExt as _, poll};
use postrider_core::task::{Context, Reason, TaskError};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::limits::TimeLimits;
use crate::observer::Entry;

/// How a run ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ran {
    /// By itself, by a limit or by the hard stop.
    Ended(Result<Value, TaskError>),
    /// By remote control, with a signal of that number.
    Terminated(u8),
    /// It never began: a client revoked it while it waited.
    Revoked,
    /// It never began: its connection is gone, and it will be handed out again.
    Lost,
}

/// What may end a run from outside.
pub(crate) struct Guard<'a> {
    /// The process stops at once.
    pub hard_stop: &'a CancellationToken,
    /// What remote control terminates the task by, where tools see it.
    pub entry: Option<&'a Entry<'a>>,
}

/// What a run's future gives when it may panic.
type Caught = Result<Result<Value, TaskError>, Box<dyn Any + Send>>;

impl Guard<'_> {
    /// Sees a run through to its end. `limits` is asked only for a run that takes a while.
    pub(crate) async fn watch(
        &self,
        context: &Context,
        run: impl Future<Output = Result<Value, TaskError>> + Send + Unpin,
        limits: impl FnOnce() -> TimeLimits,
    ) -> Ran {
        let mut run = AssertUnwindSafe(run).catch_unwind();
        if let Poll::Ready(ended) = poll!(&mut run) {
            return Ran::Ended(judged(ended));
        }
        self.watch_on(context, run, limits()).await
    }

    /// Waits until remote control wants the task stopped.
    pub(crate) async fn terminated(&self) -> u8 {
        match self.entry {
            Some(entry) => entry.terminated().await,
            None => pending().await,
        }
    }

    async fn watch_on(
        &self,
        context: &Context,
        mut run: impl Future<Output = Caught> + Send + Unpin,
        TimeLimits { hard, soft }: TimeLimits,
    ) -> Ran {
        let begun = Instant::now();
        let at = |limit: Duration| begun + limit;
        let mut soft = soft.map(at);
        let hard_at = hard.map(at);
        loop {
            let next = soft.or(hard_at);
            tokio::select! {
                biased;
                ended = &mut run => return Ran::Ended(judged(ended)),
                () = self.hard_stop.cancelled() => return Ran::Ended(Err(TaskError::Interrupted)),
                signal = self.terminated() => return Ran::Terminated(signal),
                // The soft limit is the earlier one, where there are two.
                () = sleep_until(next.unwrap_or(begun)), if next.is_some() => {
                    if soft.take().is_none() {
                        let limit = hard.unwrap_or_default();
                        return Ran::Ended(Err(TaskError::Raised(Reason::time_limit(limit))));
                    }
                    if !context.pass_soft_limit() {
                        return Ran::Ended(Err(TaskError::Raised(Reason::soft_time_limit())));
                    }
                }
            }
        }
    }
}

/// The panic's text may hold anything; the hook has logged where it happened.
fn judged(ended: Caught) -> Result<Value, TaskError> {
    ended.unwrap_or_else(|_| Err(TaskError::fail("panic", "the task panicked; the log says where")))
}
