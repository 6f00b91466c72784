//! Trying again what may pass: a result must not be lost because Redis or the broker was restarted.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;

use super::ResultError;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Does a step again and again while its error may pass, but not for longer than `patience`.
///
/// A step may be done twice, where its answer was lost: each must be one that changes nothing the second time.
pub(super) async fn patiently<T, S>(
    patience: Duration,
    mut step: impl FnMut() -> S + Send,
) -> Result<T, ResultError>
where
    T: Send,
    S: Future<Output = Result<T, ResultError>> + Send,
{
    let first = match step().await {
        Err(error) if error.is_passing() => error,
        ended => return ended,
    };
    // Whoever gives up says so; in an outage this happens to every task.
    tracing::debug!(error = %first, "a result cannot be kept yet");
    let deadline = Instant::now() + patience;
    let mut waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(LONGEST_WAIT)
        .without_max_times()
        .with_jitter()
        .build();
    let mut last = first;
    loop {
        let wait = waits.next().unwrap_or(LONGEST_WAIT);
        if Instant::now() + wait >= deadline {
            return Err(last);
        }
        tokio::time::sleep(wait).await;
        match step().await {
            Err(error) if error.is_passing() => last = error,
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_does_not_is_told_at_once() {
        let tries = AtomicUsize::new(0);
        let third_time = || {
            let done = tries.fetch_add(1, Ordering::SeqCst) == 2;
            std::future::ready(if done { Ok(()) } else { Err(ResultError::down_for_tests()) })
        };

        assert_eq!(patiently(Duration::from_secs(20), third_time).await, Ok(()));
        assert_eq!(tries.load(Ordering::SeqCst), 3);

        let never = || std::future::ready(Err::<(), _>(ResultError::down_for_tests()));
        assert_eq!(patiently(Duration::from_millis(200), never).await, Err(ResultError::down_for_tests()));
        let off = || std::future::ready(Err::<(), _>(ResultError::Off));
        assert_eq!(patiently(Duration::ZERO, off).await, Err(ResultError::Off));
    }
}
