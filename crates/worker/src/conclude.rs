//! What is done when a run has ended: what follows is published and stored first, then the message is settled.
//!
//! A success that nothing follows and whose result nobody wants is an ack and a count. The other ends are boxed, else
//! each running task would keep room for them.

use std::sync::Arc;

use futures::FutureExt as _;
use postrider_core::celery::{Body, Call, Exception, TaskHeaders};
use postrider_core::results::State;
use postrider_core::task::{Reason, Registered};
use serde_json::Value;

use crate::attempt::Attempt;
use crate::dead::Burial;
use crate::disposition::{AfterRun, Ended};
use crate::execute::Executor;
use crate::held::Held;
use crate::observer::Revocation;
use crate::patience::Tried;

impl<S: Send + Sync + 'static> Executor<S> {
    /// Acts on what was decided after a run.
    pub(crate) async fn conclude(&self, attempt: Box<Attempt<'_, S>>, after: AfterRun) {
        match after {
            AfterRun::Done(ended) => self.done(attempt, ended).await,
            other => self.conclude_otherwise(attempt, other).boxed().await,
        }
    }

    /// The task has ended, and its message is acked.
    pub(crate) async fn done(&self, attempt: Box<Attempt<'_, S>>, ended: Ended) {
        let attempt = match &ended {
            Ended::Succeeded(value) => {
                let runtime = attempt.begun.elapsed();
                let attempt = if attempt.embed.is_empty() && !self.keeps_result(&attempt) {
                    attempt
                } else {
                    match self.follow_success(attempt, value).boxed().await {
                        Some(attempt) => attempt,
                        None => return,
                    }
                };
                if let Some(entry) = &attempt.entry {
                    entry.succeeded(value, runtime);
                }
                attempt
            }
            Ended::Expired => match self.follow_revoked(attempt, Revocation::Expired).boxed().await {
                Some(attempt) => attempt,
                None => return,
            },
            Ended::Unknown(reason) => match self.follow_failure(attempt, reason).boxed().await {
                Some(attempt) => attempt,
                None => return,
            },
            Ended::Ignored => attempt,
        };
        let outcome = attempt.log(&ended);
        attempt.count(outcome);
        attempt.held.ack().await;
    }

    /// The task has failed: its message goes to the dead-letter queue, or is acked where failed ones are not kept. What
    /// cannot be read is kept in any case.
    pub(crate) async fn fail(&self, attempt: Box<Attempt<'_, S>>, reason: Reason) {
        attempt.count("dead");
        let Some(attempt) = self.follow_failure(attempt, &reason).await else { return };
        if self.dead_letters || reason.code == "undecodable" {
            return self.bury(attempt, &reason).await;
        }
        tracing::error!(task.name = attempt.task.name(), task.id = %attempt.headers.id, %reason, "task failed");
        attempt.held.ack().await;
    }

    /// A client wanted it stopped while it ran.
    pub(crate) async fn terminated(&self, attempt: Box<Attempt<'_, S>>, signal: u8) {
        tracing::warn!(task.name = attempt.task.name(), task.id = %attempt.headers.id, signal, "task was terminated");
        let Some(attempt) = self.follow_revoked(attempt, Revocation::Terminated(signal)).await else {
            return;
        };
        attempt.count("terminated");
        attempt.held.ack().await;
    }

    /// The message came back of a task that has succeeded: only its place in a chord may be open yet.
    pub(crate) async fn succeed_again(&self, attempt: Box<Attempt<'_, S>>, value: Value) {
        let (task, id) = (attempt.task.name(), attempt.headers.id.as_str());
        tracing::info!(task.name = task, task.id = id, "task is not run again: it has succeeded");
        attempt.count("repeated");
        if self.join(&attempt, State::Success, value).await {
            attempt.held.ack().await;
        } else {
            self.settler.give_back(attempt.held).await;
        }
    }

    /// A client had revoked it before it came.
    pub(crate) async fn revoked(&self, held: Held, headers: &TaskHeaders, task: &Registered<S>) {
        self.revoked_at_start(self.without_a_run(held, headers, task)).await;
    }

    /// It is given up without a run. Whoever waits for it, or for what was to follow it, hears that it has failed.
    pub(crate) async fn given_up(
        &self,
        held: Held,
        headers: &TaskHeaders,
        task: &Registered<S>,
        reason: Reason,
    ) {
        let attempt = self.without_a_run(held, headers, task);
        attempt.count("dead");
        let Some(attempt) = self.follow_failure(attempt, &reason).await else { return };
        self.bury(attempt, &reason).await;
    }

    fn without_a_run<'a>(
        &self,
        held: Held,
        headers: &'a TaskHeaders,
        task: &'a Registered<S>,
    ) -> Box<Attempt<'a, S>> {
        let mut attempt = Attempt::new(task, headers, held, None, self.clock.now());
        if let Ok(body) = Body::read(&attempt.held.message) {
            attempt.embed = body.embed;
        }
        attempt
    }

    /// A client has revoked it before it could start.
    pub(crate) async fn revoked_at_start(&self, attempt: Box<Attempt<'_, S>>) {
        tracing::info!(
            task.name = attempt.task.name(),
            task.id = %attempt.headers.id,
            "task is not run: it was revoked"
        );
        let Some(attempt) = self.follow_revoked(attempt, Revocation::Revoked).await else { return };
        attempt.count("revoked");
        attempt.held.ack().await;
    }

    async fn conclude_otherwise(&self, attempt: Box<Attempt<'_, S>>, after: AfterRun) {
        match after {
            AfterRun::Done(ended) => self.done(attempt, ended).await,
            AfterRun::Retry { delay, retries, reason, arguments } => {
                self.retry(attempt, delay, retries, &reason, arguments.as_deref()).await;
            }
            AfterRun::Postpone(delay) => self.postpone(attempt, delay).await,
            AfterRun::Fail(reason) => self.fail(attempt, reason).await,
            AfterRun::Reject { reason, requeue } => self.reject(attempt, reason, requeue).await,
            AfterRun::Replace(call) => self.replace(attempt, *call).await,
            AfterRun::Requeue => {
                attempt.count("requeued");
                tracing::info!(
                    task.name = attempt.task.name(),
                    task.id = %attempt.headers.id,
                    "task goes back to its queue: the worker stops"
                );
                self.settler.give_back(attempt.held).await;
            }
        }
    }

    async fn reject(&self, attempt: Box<Attempt<'_, S>>, reason: Reason, requeue: bool) {
        attempt.count("rejected");
        tracing::warn!(task.name = attempt.task.name(), task.id = %attempt.headers.id, requeue, %reason, "task refuses its message");
        if requeue {
            attempt.refused(requeue);
            return self.settler.give_back(attempt.held).await;
        }
        let refused = if reason.exception.is_some() {
            reason
        } else {
            let exception = Exception::reject(reason.detail.clone(), requeue);
            reason.with(exception)
        };
        let Some(attempt) = self.follow_failure(attempt, &refused).await else { return };
        attempt.refused(requeue);
        self.bury(attempt, &refused).await;
    }

    async fn replace(&self, attempt: Box<Attempt<'_, S>>, call: Call) {
        tracing::debug!(task.name = attempt.task.name(), task.id = %attempt.headers.id, call = %call.task, "task is replaced");
        attempt.count("replaced");
        match self.follow_replaced(&attempt, call).await {
            Tried::Done(()) => attempt.held.ack_replaced().await,
            Tried::GaveUp => self.settler.give_back(attempt.held).await,
            Tried::Never(reason) => self.fail(attempt, reason).await,
        }
    }

    async fn bury(&self, attempt: Box<Attempt<'_, S>>, reason: &Reason) {
        let Attempt { headers, held, at, .. } = *attempt;
        let from = Arc::clone(&held.queue);
        // What came back from `<queue>.returned` is replayed to the queue that it was for.
        let returned = self.sources.returned_from(&from);
        let burial = Burial { headers: Some(headers), queue: returned.as_deref().unwrap_or(&from), at };
        self.settler.bury(held, &burial, reason).await;
    }
}
