//! How long to wait before the next try: a pure function of the count of tries.

use std::time::Duration;

/// An exponential series: `base`, `2 × base`, `4 × base` …, up to a cap.
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
    cap: Duration,
    max_retries: u32,
    jitter: bool,
}

impl RetryPolicy {
    /// Waits `base × 2^n` before retry `n` (from 0), at most 10 minutes as in Celery; three retries, no jitter.
    pub const fn exponential(base: Duration) -> Self {
        Self { base, cap: Duration::from_mins(10), max_retries: 3, jitter: false }
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

    /// The longest wait.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Draws each wait evenly between zero and the series' value, in whole seconds, as Celery's `retry_jitter` does.
    #[must_use]
    pub const fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// How many times it is tried again.
    pub const fn retries(&self) -> u32 {
        self.max_retries
    }

    /// The wait after `retries` retries. `drawn` is a random number in 0..=1 000 000 for the jitter; without it, or
    /// without jitter, the series' value itself. The draw is made before a delay queue is chosen.
    pub fn delay(&self, retries: u32, drawn: Option<u32>) -> Duration {
        let factor = 2_u32.saturating_pow(retries);
        let full = self.base.saturating_mul(factor).min(self.cap);
        match drawn {
            Some(drawn) if self.jitter => {
                let seconds = full.as_secs().saturating_add(1) * u64::from(drawn) / 1_000_001;
                Duration::from_secs(seconds)
            }
            _ => full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_doubles_up_to_its_cap() {
        let policy = RetryPolicy::exponential(Duration::from_secs(1)).cap(Duration::from_secs(10));
        let waits: Vec<u64> = [0, 1, 2, 3, 4, 40].iter().map(|n| policy.delay(*n, None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn jitter_reaches_every_whole_second_from_zero_to_the_full_wait() {
        let policy = RetryPolicy::exponential(Duration::from_secs(3)).jitter(true);
        let wait = |drawn| policy.delay(1, Some(drawn)).as_secs();
        assert_eq!((wait(0), wait(500_000), wait(1_000_000)), (0, 3, 6));
    }
}
