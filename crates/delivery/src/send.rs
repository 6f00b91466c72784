//! One SMS, sent once: the send record around the provider call, and what the record, the verification and the task
//! are told afterwards.
//!
//! 1. Claim the turn, immediately before the call; the end of life is checked in it. What was sent, expired or given up
//!    before ends here.
//! 2. Call the provider, once.
//! 3. Finish the record and write the state back to the verification: two Redis commands in all.
//!
//! Redis down before the call: nothing is sent, the task comes back later. Redis down after it: an accepted SMS is
//! acknowledged all the same; anything else leaves the record at `sending`, which reads as unknown.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use postrider_core::code::Code;
use postrider_core::codes::Codes;
use postrider_core::phone::PhoneNumber;
use postrider_core::redis::StoreError;
use postrider_core::seal::KeyRing;
use postrider_core::task::{Context, Reason, Retry, TaskError};
use postrider_core::verification::{DeliveryState, VerificationId};

use crate::providers::{Class, Failure, Outcome, Provider, SendRequest};
use crate::send_record::{Claim, Claimed, Finish, Note, SendRecords, Turn};

/// How long a task waits for a store that does not answer.
const STORE_WAIT: Duration = Duration::from_secs(2);
/// How often finishing a record is tried.
const FINISH_TRIES: u32 = 3;

/// What the SMS tasks share.
pub struct Services {
    /// Sends.
    pub provider: Arc<dyn Provider>,
    /// Keeps a task from sending twice.
    pub records: SendRecords,
    /// Where the verifications' delivery states are.
    pub codes: Codes,
    /// Opens sealed tasks.
    pub keys: KeyRing,
    /// How it is sent.
    pub policy: SendPolicy,
}

/// How codes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPolicy {
    /// Whether a call of unknown outcome is made again.
    pub resend: bool,
    /// How long a provider call may take before its worker is thought dead. Longer than the provider's timeout.
    pub lease: Duration,
    /// How long a code without an end of life lives, counted from the first sight of its task.
    pub window: Duration,
}

/// An SMS to send.
pub(crate) struct Sms {
    pub to: PhoneNumber,
    pub code: Code,
    pub purpose: String,
    pub not_after: Option<Timestamp>,
    /// The whole life of the code, which the text of the SMS tells.
    pub life: Duration,
    pub verification: Option<VerificationId>,
}

impl Services {
    /// Sends an SMS, unless it was sent, and tells everybody concerned.
    pub(crate) async fn send(&self, sms: Sms, context: &Context) -> Result<(), TaskError> {
        let claim = Claim {
            task: context.id.clone(),
            not_after: sms.not_after,
            window: self.policy.window,
            resend: self.policy.resend,
            replays: context.replays,
            lease: self.policy.lease,
        };
        let turn = match self.records.claim(&claim).await.map_err(|error| wait_for_store(&error))? {
            Claimed::Granted(turn) => turn,
            Claimed::Sent => return self.tell(&sms, DeliveryState::Sent, Ok(())).await,
            Claimed::Held(wait) => return Err(TaskError::Snooze(wait)),
            Claimed::Expired(_) => {
                return self.tell(&sms, DeliveryState::Expired, Err(TaskError::Expired)).await;
            }
            Claimed::Unknown => {
                let reason = Reason::new("unknown_outcome", "an earlier provider call has no known outcome");
                return self.tell(&sms, DeliveryState::Unknown, Err(TaskError::Unknown(reason))).await;
            }
            Claimed::Dead { reason, not_after } => {
                let reason = ending(Reason::new(reason, "it was given up before"), not_after);
                return self.tell(&sms, DeliveryState::Failed, Err(TaskError::Fail(reason))).await;
            }
            Claimed::Poison(not_after) => {
                let detail = "it was started five times and never came to an end";
                let reason = ending(Reason::new("poison", detail), not_after);
                return self.tell(&sms, DeliveryState::Failed, Err(TaskError::Fail(reason))).await;
            }
        };
        let outcome = self.provider.send(&request(&sms, context, turn.call)).await;
        self.count(&outcome);
        let (finish, state, ended) = self.conclude(outcome, &turn, context);
        let told = sms.verification.as_ref().zip(state);
        let note = told.map(|(verification, state)| Note { codes: &self.codes, verification, state });
        self.finish(&turn, &finish, note).await;
        ended
    }

    /// What an outcome means for the record, the verification and the task.
    fn conclude(
        &self,
        outcome: Outcome,
        turn: &Turn,
        context: &Context,
    ) -> (Finish, Option<DeliveryState>, Result<(), TaskError>) {
        let retry = |failure: &Failure| {
            // A wait beyond the code's life would leave the verification at `queued` long after it has run out.
            let wait = failure.retry_after.map(|wait| wait.min(left(turn, context) + Duration::from_secs(1)));
            let retry = wait.map_or_else(Retry::by_policy, Retry::after);
            TaskError::from(retry.because(ending(reason_of(failure), turn.not_after)))
        };
        match outcome {
            Outcome::Accepted(_) => (Finish::Sent, Some(DeliveryState::Sent), Ok(())),
            Outcome::Rejected(failure) if failure.class.retryable() && !context.is_last_try() => {
                (Finish::Waiting, None, Err(retry(&failure)))
            }
            Outcome::Rejected(failure) => {
                let dead = Finish::Dead(failure.class.as_str().into());
                let error = if failure.class.retryable() {
                    retry(&failure)
                } else {
                    TaskError::Fail(ending(reason_of(&failure), turn.not_after))
                };
                (dead, Some(DeliveryState::Failed), Err(error))
            }
            Outcome::Unknown(failure) if self.policy.resend && !context.is_last_try() => {
                (Finish::Waiting, None, Err(retry(&failure)))
            }
            Outcome::Unknown(failure) => {
                let error = TaskError::Unknown(ending(reason_of(&failure), turn.not_after));
                (Finish::Unknown, Some(DeliveryState::Unknown), Err(error))
            }
        }
    }

    /// Not being able to is no reason to send again.
    async fn finish(&self, turn: &Turn, finish: &Finish, note: Option<Note<'_>>) {
        for attempt in 1..=FINISH_TRIES {
            let finished = match &note {
                Some(note) => self.records.finish_and_note(turn, finish, note).await,
                None => self.records.finish(turn, finish).await,
            };
            match finished {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(task.id = %turn.task, "the send record was taken over before it could be finished");
                    return;
                }
                Err(error) => {
                    tracing::warn!(task.id = %turn.task, attempt, %error, "the send record cannot be finished");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Writes the state back to the verification. Not being able to is no reason to send again.
    async fn tell(
        &self,
        sms: &Sms,
        state: DeliveryState,
        ended: Result<(), TaskError>,
    ) -> Result<(), TaskError> {
        if let Some(id) = &sms.verification {
            self.write_back(id, state).await;
        }
        ended
    }

    /// Writes a delivery state back to its verification.
    pub(crate) async fn write_back(&self, id: &VerificationId, state: DeliveryState) {
        if let Err(error) = self.codes.delivery(id, state).await {
            tracing::warn!(verification.id = %id, state = state.as_str(), %error, "the delivery state cannot be written back");
        }
    }

    fn count(&self, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Accepted(_) => "accepted",
            Outcome::Rejected(failure) => failure.class.as_str(),
            Outcome::Unknown(_) => "unknown",
        };
        let provider = self.provider.name().to_owned();
        metrics::counter!("postrider_sends_total", "provider" => provider, "outcome" => outcome).increment(1);
    }
}

/// Whether nobody's replay helps: the number or the text is at fault.
pub(crate) fn concerns_recipient(code: &str) -> bool {
    [Class::RecipientInvalid, Class::RecipientBlocked, Class::RecipientLimited, Class::Content]
        .iter()
        .any(|class| class.as_str() == code)
}

fn request(sms: &Sms, context: &Context, attempt: u32) -> SendRequest {
    let minutes = sms.life.as_secs().div_ceil(60).max(1);
    SendRequest {
        id: context.id.clone(),
        to: sms.to.clone(),
        code: sms.code.clone(),
        minutes: u32::try_from(minutes).unwrap_or(u32::MAX),
        purpose: sms.purpose.clone(),
        attempt,
    }
}

/// What is left of the code's life.
fn left(turn: &Turn, context: &Context) -> Duration {
    Duration::try_from(turn.not_after.duration_since(context.now)).unwrap_or(Duration::ZERO)
}

fn reason_of(failure: &Failure) -> Reason {
    Reason::new(failure.class.as_str(), failure.to_string())
}

fn ending(reason: Reason, not_after: Timestamp) -> Reason {
    Reason { not_after: Some(not_after), ..reason }
}

/// Nothing was sent: come back when the store answers again, for as long as the code lives.
fn wait_for_store(error: &StoreError) -> TaskError {
    tracing::warn!(%error, "nothing is sent without a send record; the task waits");
    TaskError::Snooze(STORE_WAIT)
}
