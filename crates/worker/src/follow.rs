//! What comes after a task: its links, the next step of its chain, its errbacks, its place in a chord, and what its
//! caller hears of it.
//!
//! 1. What follows is published, with a confirm for each message. Only then is the result stored, so that it names them.
//! 2. The result is stored. One that cannot be stored is logged: the task has had its effect, and is not run again for it.
//! 3. A member of a chord is recorded. Who completes the chord publishes its body, or fails it.
//! 4. Only then is the message settled. Where something of 1 or 3 could not be done for as long as a delivery can be held,
//!    the message goes back to its queue: successors may be published twice, under the same ids, but never not at all.
//!    A task that was acknowledged before its run has no way back, and waits for its broker until a stop.
//! 5. What the broker refuses for 20 s on end, for want of an exchange or a place in a full queue, fails the task.

use std::time::Duration;

use futures::FutureExt as _;
use postrider_core::broker::message::Properties;
use postrider_core::canvas::follow::{Failure, after_failure, after_success};
use postrider_core::canvas::{self, Canvas, Dispatcher, Parent, Plan};
use postrider_core::celery::{Call, Exception, Request, TaskHeaders};
use postrider_core::producer::{EnqueueError, Progress};
use postrider_core::results::{Meta, ResultError, State};
use postrider_core::task::Reason;
use serde_json::Value;

use crate::attempt::Attempt;
use crate::execute::Executor;
use crate::held::Held;
use crate::observer::Revocation;
use crate::patience::{Complaint, LastWord, Tried, hold, patience};

impl<S: Send + Sync + 'static> Executor<S> {
    /// After a success. `None` when the message went back, or the task has failed after all.
    pub(crate) async fn follow_success<'a>(
        &self,
        mut attempt: Box<Attempt<'a, S>>,
        value: &Value,
    ) -> Option<Box<Attempt<'a, S>>> {
        let plan = match after_success(&self.dispatcher(&attempt), &attempt.embed, value) {
            Ok(plan) => plan,
            Err(error) => return self.cannot_follow(attempt, error.to_string()).await,
        };
        match self.carry_out(patience(&attempt.held), &plan).await {
            Tried::Done(()) => attempt.children.extend(plan.children),
            Tried::Never(error) => return self.cannot_follow(attempt, error.to_string()).await,
            Tried::GaveUp => return self.go_back(attempt).await,
        }
        let id = attempt.headers.id.as_str();
        self.store(&attempt, Meta::success(id, value.clone(), self.clock.now())).await;
        if self.join(&attempt, State::Success, value.clone()).await {
            Some(attempt)
        } else {
            self.go_back(attempt).await
        }
    }

    /// After a failure for good. `None` when the message went back.
    pub(crate) async fn follow_failure<'a>(
        &self,
        attempt: Box<Attempt<'a, S>>,
        reason: &Reason,
    ) -> Option<Box<Attempt<'a, S>>> {
        let exception = self.raised(reason, attempt.task.name());
        let id = attempt.headers.id.as_str();
        self.store(&attempt, Meta::failure(id, &exception, self.clock.now())).await;
        if !attempt.embed.is_empty() {
            let request = Request::of(&attempt.held.message);
            let done = match after_failure(&self.dispatcher(&attempt), request, &attempt.embed) {
                Ok(failure) => {
                    let keep = self.keeps_result(&attempt);
                    self.spread(&attempt, failure, &exception, keep).await
                }
                Err(error) => {
                    tracing::error!(task.id = id, %error, "what follows a failed task cannot be read");
                    true
                }
            };
            if !done {
                return self.go_back(attempt).await;
            }
        }
        match &attempt.entry {
            Some(entry) => entry.failed(&exception),
            None if self.observer.events.on() => self.observer.events.failed(id, &exception),
            None => {}
        }
        Some(attempt)
    }

    /// After the end of a task that was revoked or came too late. `None` when the message went back.
    pub(crate) async fn follow_revoked<'a>(
        &self,
        attempt: Box<Attempt<'a, S>>,
        why: Revocation,
    ) -> Option<Box<Attempt<'a, S>>> {
        let id = attempt.headers.id.as_str();
        let meta = Meta::revoked(id, why.reason(), self.clock.now());
        let exception = meta.result.clone();
        self.store(&attempt, meta).await;
        if !self.join(&attempt, State::Revoked, exception).await {
            return self.go_back(attempt).await;
        }
        if self.observer.events.on() {
            self.observer.events.revoked(id, why);
        }
        Some(attempt)
    }

    /// Publishes what takes a task's place.
    pub(crate) async fn follow_replaced(&self, attempt: &Attempt<'_, S>, call: Call) -> Tried<(), Reason> {
        let refused = |error: String| Tried::Never(Reason::new("irreplaceable", error));
        let request = Request::of(&attempt.held.message);
        let plan = Canvas::try_from(call)
            .map_err(canvas::ReplaceError::from)
            .and_then(|canvas| canvas::replace(&self.dispatcher(attempt), request, &attempt.embed, canvas));
        match plan {
            Ok(plan) => match self.carry_out(patience(&attempt.held), &plan).await {
                Tried::Done(()) => Tried::Done(()),
                Tried::Never(error) => refused(error.to_string()),
                Tried::GaveUp => Tried::GaveUp,
            },
            Err(error) => {
                let reason = Reason::new("irreplaceable", error.to_string());
                Tried::Never(match error.exception() {
                    Some(exception) => reason.with(exception),
                    None => reason,
                })
            }
        }
    }

    /// Tells whoever waits for a task that nobody here can run.
    pub(crate) async fn tell_undone(&self, held: &Held, headers: &TaskHeaders, reason: &Reason) {
        let exception = match reason.code.as_str() {
            "unknown_task" => Exception::not_registered(&headers.task),
            _ => reason.exception().into_owned(),
        };
        if self.results.is_on() && Request::of(&held.message).ignore_result() != Some(true) {
            let meta = Meta::failure(headers.id.as_str(), &exception, self.clock.now());
            self.keep(meta.within(&held.message), &held.message.properties).await;
        }
        if self.observer.events.on() {
            self.observer.events.failed(&headers.id, &exception);
        }
    }

    /// Fails what fails with a task, and publishes what hears of it. `keep` says whether the results of what fails are
    /// stored. `false` when that could not be done in time.
    pub(crate) async fn spread(
        &self,
        attempt: &Attempt<'_, S>,
        failure: Failure,
        exception: &Exception,
        keep: bool,
    ) -> bool {
        let Failure { plan, failed, members, children } = failure;
        if keep {
            // They are answered to the same caller, each under its own id.
            let asked = Properties { correlation_id: None, ..attempt.held.message.properties.clone() };
            for id in failed {
                let meta = Meta::failure(id, exception, self.clock.now()).with_children(children.clone());
                self.keep(meta, &asked).await;
            }
        }
        for member in members {
            if !self.join_as(attempt, member, State::Failure, exception.to_value()).await {
                return false;
            }
        }
        match self.carry_out(patience(&attempt.held), &plan).await {
            Tried::Done(()) => true,
            Tried::Never(error) => {
                tracing::error!(task.id = %attempt.headers.id, %error, "what follows a failed task can never be published");
                true
            }
            Tried::GaveUp => false,
        }
    }

    /// Does what a plan says, within the limit that a message can wait.
    pub(crate) async fn carry_out(&self, limit: Option<Duration>, plan: &Plan) -> Tried<(), EnqueueError> {
        if plan.is_empty() {
            return Tried::Done(());
        }
        let mut word = LastWord::default();
        let is_final = |error: &EnqueueError| match error {
            EnqueueError::Publish(error) => word.is(error),
            EnqueueError::Results(ResultError::NoChords | ResultError::Off) => true,
            EnqueueError::Results(_) => word.repeats(Complaint::Store),
            _ => true,
        };
        let progress = Progress::default();
        let carry_out = || self.node.producer.go_on(plan, &progress).boxed();
        hold(&self.shutdown, limit, "what follows it is published", is_final, carry_out).await
    }

    async fn cannot_follow<'a>(
        &self,
        attempt: Box<Attempt<'a, S>>,
        error: String,
    ) -> Option<Box<Attempt<'a, S>>> {
        self.fail(attempt, Reason::new("unpublishable", error)).boxed().await;
        None
    }

    async fn go_back<'a>(&self, attempt: Box<Attempt<'a, S>>) -> Option<Box<Attempt<'a, S>>> {
        tracing::warn!(task.id = %attempt.headers.id, "task goes back to its queue: what follows it cannot be done now");
        self.settler.give_back(attempt.held).await;
        None
    }

    pub(crate) fn dispatcher<'b>(&'b self, attempt: &'b Attempt<'_, S>) -> Dispatcher<'b> {
        let root = Request::of(&attempt.held.message).root_id();
        self.node.producer.dispatcher(Some(Parent { id: &attempt.headers.id, root }))
    }
}
