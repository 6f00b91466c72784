//! The member of a chord that has come to its end: it is recorded, and who completes the chord publishes its body or
//! fails it. A claim on a chord runs out, so that nothing of this is tried for longer than a delivery can be held.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use postrider_core::canvas::follow::{Member, chord_failed, chord_ready};
use postrider_core::celery::{Call, Exception, Request};
use postrider_core::results::{ChordPart, Claim, Joined, ResultError, State};
use serde_json::Value;

use crate::attempt::Attempt;
use crate::execute::Executor;
use crate::patience::{HOLD, Tried, hold};

impl<S: Send + Sync + 'static> Executor<S> {
    /// Records a task's place in a chord, if it has one. `false` when that could not be done in time.
    pub(crate) async fn join(&self, attempt: &Attempt<'_, S>, state: State, result: Value) -> bool {
        match Member::of(Request::of(&attempt.held.message), &attempt.embed) {
            Some(member) => self.join_as(attempt, member, state, result).await,
            None => true,
        }
    }

    /// Joining may fail a body that is itself a member of a chord, and so on.
    pub(crate) fn join_as<'b>(
        &'b self,
        attempt: &'b Attempt<'_, S>,
        member: Member,
        state: State,
        result: Value,
    ) -> BoxFuture<'b, bool> {
        self.recorded(attempt, member, state, result).boxed()
    }

    async fn recorded(&self, attempt: &Attempt<'_, S>, member: Member, state: State, result: Value) -> bool {
        let Member { id, group_id, group_index, chord } = member;
        let part = ChordPart { group_id, group_index, task_id: id, state, result };
        let no_chords = |error: &ResultError| matches!(error, ResultError::NoChords | ResultError::Off);
        let record = || self.results.chord_part(&part).boxed();
        match hold(&self.shutdown, Some(HOLD), "its place in a chord is recorded", no_chords, record).await {
            Tried::Done(Joined::Waiting | Joined::AlreadyDone) => true,
            Tried::Done(Joined::Ready { values, claim }) => {
                self.call_body(attempt, &chord, values, claim).await
            }
            Tried::Done(Joined::Failed { exception, cause, claim }) => {
                // The tasks of a group in the body's place fail with what the member raised, as in Celery.
                let exception = match cause {
                    Some(cause) if chord.subtask_type.as_deref() == Some("group") => cause,
                    _ => exception,
                };
                self.fail_body(attempt, &chord, &exception, claim).await
            }
            Tried::Never(error) => {
                tracing::error!(task.id = %part.task_id, %error, "a chord cannot be joined");
                true
            }
            Tried::GaveUp => false,
        }
    }

    /// Publishes the body of a chord that is complete.
    async fn call_body(
        &self,
        attempt: &Attempt<'_, S>,
        chord: &Call,
        values: Vec<Value>,
        claim: Claim,
    ) -> bool {
        let error = match chord_ready(&self.dispatcher(attempt), chord, values) {
            Ok(plan) => match self.carry_out(Some(HOLD), &plan).await {
                Tried::Done(()) => {
                    self.tell_store(self.results.chord_done(&claim)).await;
                    return true;
                }
                Tried::GaveUp => {
                    self.tell_store(self.results.chord_release(&claim)).await;
                    return false;
                }
                Tried::Never(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let exception = Exception::chord_error(format!("Callback error: {error}"));
        self.fail_body(attempt, chord, &exception, claim).await
    }

    /// Fails the body of a chord with one of its members.
    async fn fail_body(
        &self,
        attempt: &Attempt<'_, S>,
        chord: &Call,
        exception: &Exception,
        claim: Claim,
    ) -> bool {
        match chord_failed(&self.dispatcher(attempt), chord) {
            Ok(failure) => {
                // Whoever waits for the body does not care which member failed it, nor whether that one has a result.
                if !self.spread(attempt, failure, exception, self.results.is_on()).await {
                    self.tell_store(self.results.chord_release(&claim)).await;
                    return false;
                }
            }
            Err(error) => tracing::error!(%error, "the body of a chord cannot be read"),
        }
        self.tell_store(self.results.chord_failed(&claim)).await;
        true
    }

    /// What a store is told of a chord's claim. A claim that it does not hear of runs out by itself.
    async fn tell_store(&self, telling: impl Future<Output = Result<bool, ResultError>>) {
        if let Err(error) = telling.await {
            tracing::warn!(%error, "the claim on a chord was not given back");
        }
    }
}
