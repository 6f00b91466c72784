//! How long to wait before the next try, and which errors are tried again: pure functions of the count of tries and of
//! the error.

use std::time::Duration;

use super::Reason;

/// Celery's `default_retry_delay`.
const CELERY_DELAY: Duration = Duration::from_mins(3);
/// Celery's `retry_backoff_max`.
const CELERY_CAP: Duration = Duration::from_mins(10);
/// The count that means "for ever", Celery's `max_retries=None`.
const FOR_EVER: u32 = u32::MAX;

/// The waits between the tries of a task, and how many there are.
///
/// The series (Celery's `retry_backoff`) is `base`, `2 × base`, `4 × base` …, up to a cap. It is waited by errors that
/// are retried by themselves ([`AutoRetry`]) and by a task that asks for it. A task that asks for a retry and names no
/// wait gets the series too, unless the policy has a [`delay`](RetryPolicy::default_delay) for that.
///
/// The tutorial's task is `exponential(3 s).max_retries(3)`: it waits 3, 6 and 12 seconds.
///
/// ```
/// # use std::time::Duration;
/// # use postrider_core::task::RetryPolicy;
/// let policy = RetryPolicy::exponential(Duration::from_secs(3)).max_retries(3);
/// let waits: Vec<u64> = (0..3).map(|retries| policy.delay(retries, None).as_secs()).collect();
/// assert_eq!(waits, [3, 6, 12]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    base: Duration,
    doubles: bool,
    cap: Duration,
    default_delay: Option<Duration>,
    max_retries: u32,
    jitter: bool,
}

impl RetryPolicy {
    /// Waits `base × 2^n` before retry `n` (from 0), at most 10 minutes as in Celery; three retries, no jitter.
    pub const fn exponential(base: Duration) -> Self {
        Self { base, doubles: true, cap: CELERY_CAP, default_delay: None, max_retries: 3, jitter: false }
    }

    /// Waits the same before each retry; three retries, no jitter.
    pub const fn flat(delay: Duration) -> Self {
        Self { doubles: false, cap: Duration::MAX, ..Self::exponential(delay) }
    }

    /// What a Celery task has that says nothing about retries: three minutes, three times.
    pub const fn celery() -> Self {
        Self::flat(CELERY_DELAY)
    }

    /// Celery's `retry_backoff=seconds` and `retry_jitter=True`, its default: errors that are retried by themselves
    /// wait the series, `self.retry()` without a countdown waits three minutes. Zero is no backoff: [`Self::celery`].
    pub const fn celery_backoff(seconds: u32) -> Self {
        if seconds == 0 {
            return Self::celery();
        }
        Self::exponential(Duration::from_secs(seconds as u64)).jitter(true).default_delay(CELERY_DELAY)
    }

    /// No second try.
    pub const fn never() -> Self {
        Self::exponential(Duration::ZERO).max_retries(0)
    }

    /// How many times it is tried again.
    #[must_use]
    pub const fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// Tried again for as long as it takes, as with Celery's `max_retries=None`.
    #[must_use]
    pub const fn for_ever(self) -> Self {
        self.max_retries(FOR_EVER)
    }

    /// The longest wait of the series.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// The wait of a task that asks for a retry and names none: Celery's `default_retry_delay`.
    #[must_use]
    pub const fn default_delay(mut self, delay: Duration) -> Self {
        self.default_delay = Some(delay);
        self
    }

    /// Draws each wait evenly between zero and the series' value, in whole seconds, as Celery's `retry_jitter` does.
    #[must_use]
    pub const fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// Whether the waits get longer. Celery's `retry_jitter` is for such alone.
    pub const fn backs_off(&self) -> bool {
        self.doubles
    }

    /// How many times it is tried again; `u32::MAX` is for ever.
    pub const fn retries(&self) -> u32 {
        self.max_retries
    }

    /// Whether a task that was retried so many times may be tried again.
    pub const fn allows(&self, retries: u32) -> bool {
        self.max_retries == FOR_EVER || retries < self.max_retries
    }

    /// The wait after `retries` retries. `drawn` is a random number in 0..=1 000 000 for the jitter; without it, or
    /// without jitter, the series' value itself. The draw is made before a delay queue is chosen.
    pub fn delay(&self, retries: u32, drawn: Option<u32>) -> Duration {
        let factor = if self.doubles { 2_u32.saturating_pow(retries) } else { 1 };
        let full = self.base.saturating_mul(factor).min(self.cap);
        match drawn {
            Some(drawn) if self.jitter => {
                let seconds = full.as_secs().saturating_add(1) * u64::from(drawn) / 1_000_001;
                Duration::from_secs(seconds)
            }
            _ => full,
        }
    }

    /// The wait of a task that asked for a retry and named no wait. Celery draws no jitter here.
    pub fn asked_delay(&self, retries: u32, drawn: Option<u32>) -> Duration {
        self.default_delay.unwrap_or_else(|| self.delay(retries, drawn))
    }
}

/// Which errors that a task did not judge itself are tried again, by the retry policy's series. Celery's
/// `autoretry_for` and `dont_autoretry_for`.
///
/// Errors are named by the short name of their type (`Timeout`), by the whole of it with dots (`reqwest.error.Error`),
/// by the class that a Python client sees, or by the reason's code. A time limit that was passed is tried again only
/// when it is named (`SoftTimeLimitExceeded`, `TimeLimitExceeded`). So is an exception of
/// [`TaskError::raise`](super::TaskError::raise), which fails at once otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoRetry {
    /// Every error that comes by `?`: it may pass. The default.
    All,
    /// None: what is not asked for with [`Retry`](super::Retry) fails at once, as in a Celery task without
    /// `autoretry_for`.
    Nothing,
    /// These and no others.
    Only(&'static [&'static str]),
    /// Every error but these.
    Except(&'static [&'static str]),
}

impl AutoRetry {
    /// Whether an error is tried again.
    pub fn takes(self, reason: &Reason) -> bool {
        match self {
            Self::All => !reason.is_time_limit(),
            Self::Nothing => false,
            Self::Only(names) => names.iter().any(|name| reason.is_named(name)),
            Self::Except(names) => !reason.is_time_limit() && !names.iter().any(|name| reason.is_named(name)),
        }
    }

    /// Whether an exception that the task raised, and with it gave up, is tried again all the same: its class is one of
    /// those that are named. Celery knows no other errors.
    pub fn takes_raised(self, reason: &Reason) -> bool {
        matches!(self, Self::Only(_)) && reason.exception.is_some() && self.takes(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(policy: RetryPolicy, retries: &[u32]) -> Vec<u64> {
        retries.iter().map(|n| policy.delay(*n, None).as_secs()).collect()
    }

    #[test]
    fn the_series_doubles_up_to_its_cap() {
        let policy = RetryPolicy::exponential(Duration::from_secs(1)).cap(Duration::from_secs(10));
        assert_eq!(seconds(policy, &[0, 1, 2, 3, 4, 40]), [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn jitter_reaches_every_whole_second_from_zero_to_the_full_wait() {
        let policy = RetryPolicy::exponential(Duration::from_secs(3)).jitter(true);
        let wait = |drawn| policy.delay(1, Some(drawn)).as_secs();
        assert_eq!((wait(0), wait(500_000), wait(1_000_000)), (0, 3, 6));
    }

    #[test]
    fn celerys_waits_are_those_that_were_measured() {
        let backoff = RetryPolicy::celery_backoff(3);
        let capped = RetryPolicy::celery_backoff(600);

        assert_eq!(seconds(RetryPolicy::celery(), &[0, 1, 2]), [180, 180, 180]);
        assert_eq!(seconds(backoff, &[0, 1, 2, 3, 4]), [3, 6, 12, 24, 48]);
        assert_eq!(seconds(RetryPolicy::celery_backoff(0), &[0, 1, 2]), [180, 180, 180]);
        assert_eq!(seconds(capped, &[0, 1]), [600, 600]);
        assert_eq!(backoff.delay(3, Some(1_000_000)).as_secs(), 24);
        // `self.retry()` of a task with a backoff: the backoff does not apply, nor does the jitter.
        assert_eq!(backoff.asked_delay(1, Some(0)).as_secs(), 180);
    }

    #[test]
    fn a_retry_without_a_wait_takes_the_series_where_nothing_else_is_said() {
        let policy = RetryPolicy::exponential(Duration::from_secs(3));
        let flat = policy.default_delay(Duration::from_secs(5));

        assert_eq!(policy.asked_delay(1, None).as_secs(), 6);
        assert_eq!(flat.asked_delay(1, None).as_secs(), 5);
    }

    #[test]
    fn max_retries_allows_so_many_and_for_ever_any_number() {
        let thrice = RetryPolicy::exponential(Duration::ZERO).max_retries(3);

        assert_eq!([0, 2, 3].map(|retries| thrice.allows(retries)), [true, true, false]);
        assert!(!RetryPolicy::never().allows(0));
        assert!(thrice.for_ever().allows(u32::MAX));
    }

    #[test]
    fn errors_are_chosen_by_the_names_that_either_side_knows_them_by() {
        let io = Reason::of(&std::io::Error::other("broken pipe"));
        let limit = Reason::soft_time_limit();

        assert!(AutoRetry::All.takes(&io) && !AutoRetry::Nothing.takes(&io));
        assert!(AutoRetry::Only(&["KeyError", "Error"]).takes(&io));
        assert!(AutoRetry::Only(&["std.io.error.Error"]).takes(&io));
        assert!(!AutoRetry::Only(&["KeyError"]).takes(&io));
        assert!(!AutoRetry::Except(&["Error"]).takes(&io) && AutoRetry::Except(&["KeyError"]).takes(&io));
        assert!(!AutoRetry::All.takes(&limit) && AutoRetry::Only(&["SoftTimeLimitExceeded"]).takes(&limit));
    }
}
