//! A task that is not at its end after a run: it is tried again, or comes back in a while.

use std::time::Duration;

use postrider_core::broker::message::Message;
use postrider_core::celery::{Arguments, TaskHeaders};
use postrider_core::results::{Meta, ResultTree};
use postrider_core::task::Reason;

use crate::attempt::Attempt;
use crate::execute::Executor;
use crate::observer::Entry;
use crate::postpone::{later, postponed};
use crate::settle::unpublishable;

impl<S: Send + Sync + 'static> Executor<S> {
    /// Another try after a wait, perhaps with other arguments.
    pub(crate) async fn retry(
        &self,
        mut attempt: Box<Attempt<'_, S>>,
        delay: Duration,
        retries: u32,
        reason: &Reason,
        arguments: Option<&Arguments>,
    ) {
        let (task, headers) = (attempt.task, attempt.headers);
        tracing::warn!(task.name = task.name(), task.id = %headers.id, retries, ?delay, %reason, "task will be retried");
        attempt.count("retried");
        let exception = self.raised(reason, task.name());
        if self.keeps_result(&attempt) {
            // The next try is a child of this one, under the same id.
            attempt.children.push(ResultTree::task(headers.id.as_str()));
            self.store(&attempt, Meta::retry(headers.id.as_str(), Some(&exception))).await;
        }
        let eta = later(self.clock.now(), delay);
        let waits = (!delay.is_zero()).then_some(eta);
        let mut next = TaskHeaders::retried(&attempt.held.message, &headers.id, retries, waits);
        if let Some(arguments) = arguments {
            arguments.replace_in(&mut next, &attempt.embed, task.sensitive());
        }
        if let Some(entry) = self.goes_on(attempt, delay, next).await {
            entry.retried(&exception);
            if !delay.is_zero() {
                entry.postponed(eta);
            }
        }
    }

    /// Comes back after a wait, its retries unchanged.
    pub(crate) async fn postpone(&self, attempt: Box<Attempt<'_, S>>, delay: Duration) {
        let Attempt { task, headers, .. } = &*attempt;
        tracing::debug!(task.name = task.name(), task.id = %headers.id, ?delay, "task snoozes");
        attempt.count("snoozed");
        let now = self.clock.now();
        let next = postponed(&attempt.held.message, now, delay);
        if let Some(entry) = self.goes_on(attempt, delay, next).await {
            entry.postponed(later(now, delay));
        }
    }

    /// Publishes what comes next, or fails the task where that can never be. What tools see of it, if it goes on.
    async fn goes_on<'a>(
        &self,
        attempt: Box<Attempt<'a, S>>,
        delay: Duration,
        next: Message,
    ) -> Option<Entry<'a>> {
        let mut attempt = *attempt;
        match self.settler.later(attempt.held, delay, next).await {
            Ok(goes) => attempt.entry.filter(|_| goes),
            Err(refused) => {
                attempt.held = refused.held;
                // There is no next try.
                attempt.children.retain(|child| child.id != attempt.headers.id);
                self.fail(Box::new(attempt), unpublishable(&refused.error)).await;
                None
            }
        }
    }
}
