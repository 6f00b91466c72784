//! Asking for another try from inside a task: Celery's `self.retry()`.

use std::fmt;
use std::time::Duration;

use super::{Reason, RetryPolicy, Task};
use crate::celery::{Arguments, Exception};

/// A wish to be tried again. It becomes a [`TaskError`](super::TaskError) with `into()` or `?`.
///
/// ```
/// # use std::time::Duration;
/// # use postrider_core::task::{Reason, Retry, TaskError};
/// let soon: TaskError = Retry::after(Duration::from_secs(5)).into();
/// let later: TaskError = Retry::backoff().because(Reason::new("busy", "the printer is busy")).max_retries(9).into();
/// # assert_ne!(soon, later);
/// ```
#[derive(Clone, PartialEq)]
pub struct Retry {
    /// How long to wait.
    pub wait: Wait,
    /// What went wrong, without secrets. Without a reason, a task whose retries are used up has failed with
    /// `MaxRetriesExceededError`.
    pub reason: Option<Reason>,
    /// For this once, another count of retries than the policy's.
    pub max_retries: Option<u32>,
    /// The arguments of the next try, where they are others. See [`Retry::with_payload`].
    pub arguments: Option<Box<Arguments>>,
}

/// How long a task waits that asked to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As the task's policy says for those who ask: its default delay, or else its series.
    ByPolicy,
    /// The policy's series.
    Backoff,
    /// This long.
    For(Duration),
}

impl Retry {
    /// After the wait that the task's policy has for those who ask.
    pub const fn by_policy() -> Self {
        Self::with(Wait::ByPolicy)
    }

    /// After the next wait of the policy's series.
    pub const fn backoff() -> Self {
        Self::with(Wait::Backoff)
    }

    /// After this wait: Celery's `countdown`.
    pub const fn after(delay: Duration) -> Self {
        Self::with(Wait::For(delay))
    }

    /// What went wrong: Celery's `exc`. A task whose retries are used up has failed with it.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Reason>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Another count of retries than the policy's, for this once; `u32::MAX` is for ever.
    #[must_use]
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = Some(max_retries);
        self
    }

    /// The next try has this payload: Celery's `self.retry(args=…, kwargs=…)`. An error where it has no JSON form.
    pub fn with_payload(mut self, payload: &impl Task) -> Result<Self, serde_json::Error> {
        self.arguments = Some(Box::new(Arguments::of(payload)?));
        Ok(self)
    }

    const fn with(wait: Wait) -> Self {
        Self { wait, reason: None, max_retries: None, arguments: None }
    }

    /// The wait before the next try after `retries` retries, or why there is none: the retries are used up.
    pub fn decide(
        self,
        policy: RetryPolicy,
        retries: u32,
        drawn: Option<u32>,
    ) -> Result<(Duration, Reason), Reason> {
        let policy = self.max_retries.map_or(policy, |max_retries| policy.max_retries(max_retries));
        if !policy.allows(retries) {
            return Err(match self.reason {
                Some(reason) => Reason {
                    code: format!("exhausted:{}", reason.code),
                    detail: format!("{} after {} retries", reason.detail, policy.retries()),
                    ..reason
                },
                None => exhausted(policy.retries()),
            });
        }
        let wait = match self.wait {
            Wait::ByPolicy => policy.asked_delay(retries, drawn),
            Wait::Backoff => policy.delay(retries, drawn),
            Wait::For(delay) => delay,
        };
        let unexplained = || {
            let reason = Reason::new("retry", "the task asked to be tried again");
            reason.with(Exception::retry(format!("Retry in {}s", wait.as_secs())))
        };
        Ok((wait, self.reason.unwrap_or_else(unexplained)))
    }
}

impl fmt::Debug for Retry {
    /// Without the arguments, which may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("wait", &self.wait)
            .field("reason", &self.reason)
            .field("max_retries", &self.max_retries)
            .finish_non_exhaustive()
    }
}

/// The end of a task that was tried again too often and never said why.
fn exhausted(retries: u32) -> Reason {
    let detail = format!("it asked for another try after {retries} retries");
    let exception = Exception::max_retries_exceeded(&detail);
    Reason::new("exhausted:retry", detail).with(exception)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy::exponential(Duration::from_secs(3)).default_delay(Duration::from_mins(3));

    #[test]
    fn each_way_to_ask_has_its_own_wait() {
        let wait = |retry: Retry| retry.decide(POLICY, 1, None).unwrap().0.as_secs();

        assert_eq!(wait(Retry::by_policy()), 180);
        assert_eq!(wait(Retry::backoff()), 6);
        assert_eq!(wait(Retry::after(Duration::from_secs(4))), 4);
    }

    #[test]
    fn used_up_retries_end_with_the_reason_or_with_celerys_own_exception() {
        let reason = Reason::new("down", "it is down");
        let named = Retry::backoff().because(reason).decide(POLICY, 3, None).unwrap_err();
        let silent = Retry::backoff().decide(POLICY, 3, None).unwrap_err();

        assert_eq!(
            (named.code.as_str(), named.detail.as_str()),
            ("exhausted:down", "it is down after 3 retries")
        );
        assert_eq!(silent.exception().kind, "MaxRetriesExceededError");
    }

    #[test]
    fn a_count_of_retries_holds_for_the_call_that_names_it() {
        assert!(Retry::backoff().max_retries(1).decide(POLICY, 1, None).is_err());
        assert!(Retry::backoff().max_retries(9).decide(POLICY, 8, None).is_ok());
    }

    #[test]
    fn another_payload_goes_along_and_is_not_shown() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Greet {
            name: String,
        }
        impl Task for Greet {
            const NAME: &'static str = "greet";
        }

        let retry = Retry::backoff().with_payload(&Greet { name: "Ada".into() }).unwrap();

        assert_eq!(retry.arguments.as_ref().unwrap().kwargs["name"], "Ada");
        assert!(!format!("{retry:?}").contains("Ada"));
    }
}
