//! Trying again for as long as a message can wait: what has to be done before it may be settled.

use std::fmt::Display;
use std::time::Duration;

use postrider_core::broker::PublishError;
use postrider_core::shutdown::Shutdown;
use tokio::time::{Instant, sleep};

use crate::held::Held;

/// How long a delivery is held while something that comes before its end cannot be done.
pub(crate) const HOLD: Duration = Duration::from_secs(30);
/// For how long a broker may refuse what follows a task before that is taken for its last word: less than a delivery is
/// held, else the task would go back and be run again, for ever.
const REFUSED: Duration = Duration::from_secs(20);
/// The wait between two tries.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// What became of it.
#[derive(Debug)]
pub(crate) enum Tried<T, E> {
    /// It is done.
    Done(T),
    /// It can never be done as it is.
    Never(E),
    /// Not in time, or the process stops at once.
    GaveUp,
}

/// Why something cannot be done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// The broker answers, and does not want it.
    Refused,
    /// Nobody knows whether it is done: to try it for long may do it often.
    Unsure,
    /// A store does not take it.
    Store,
}

/// Finds out when an error that may pass does not: the same complaint, for a while and without another one between.
#[derive(Debug, Default)]
pub(crate) struct LastWord(Option<(Complaint, Instant)>);

/// How long a message can wait. What was acknowledged before its run has no queue to go back to: `None`, until a stop.
pub(crate) fn patience(held: &Held) -> Option<Duration> {
    (!held.is_acked()).then_some(HOLD)
}

/// Tries until it is done, can never be, or has taken longer than the limit; without one, until as long after the soft
/// stop as others have. `what` is for the log.
pub(crate) async fn hold<T, E: Display, F: Future<Output = Result<T, E>>>(
    shutdown: &Shutdown,
    limit: Option<Duration>,
    what: &str,
    mut is_final: impl FnMut(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Tried<T, E> {
    let tried = async {
        loop {
            match attempt().await {
                Ok(done) => return Tried::Done(done),
                Err(error) if is_final(&error) => return Tried::Never(error),
                Err(error) => tracing::warn!(%error, "holding a delivery until {what}"),
            }
            sleep(BETWEEN_TRIES).await;
        }
    };
    let too_long = async {
        if limit.is_none() {
            shutdown.soft().cancelled().await;
        }
        sleep(limit.unwrap_or(HOLD)).await;
    };
    tokio::select! {
        tried = tried => tried,
        () = too_long => Tried::GaveUp,
        () = shutdown.hard().cancelled() => Tried::GaveUp,
    }
}

impl LastWord {
    /// Whether a publish that ended so is not worth another try.
    pub(crate) fn is(&mut self, error: &PublishError) -> bool {
        match error {
            error if error.is_final() => true,
            error if error.is_refusal() => self.repeats(Complaint::Refused),
            PublishError::Unconfirmed(_) => self.repeats(Complaint::Unsure),
            // There is no broker for the moment.
            PublishError::NotPublished(_) => {
                self.0 = None;
                false
            }
        }
    }

    /// Whether this has been the complaint for too long.
    pub(crate) fn repeats(&mut self, complaint: Complaint) -> bool {
        let now = Instant::now();
        let since = match self.0 {
            Some((same, since)) if same == complaint => since,
            _ => now,
        };
        self.0 = Some((complaint, since));
        now - since >= if complaint == Complaint::Refused { REFUSED } else { HOLD }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_the_last_word_when_it_has_not_changed_for_a_while() {
        use postrider_core::broker::NotPublished::{Blocked, Nacked};

        let mut word = LastWord::default();
        let (full, away) = (PublishError::NotPublished(Nacked), PublishError::NotPublished(Blocked));

        assert!(!word.is(&full));
        sleep(REFUSED).await;
        assert!(word.is(&full));
        assert!(!word.is(&away) && !word.is(&full), "after an outage it may not be the same refusal");
        sleep(REFUSED).await;
        assert!(!word.is(&PublishError::Unconfirmed("late".into())));
        sleep(REFUSED).await;
        assert!(!word.is(&PublishError::Unconfirmed("late".into())));
        sleep(REFUSED).await;
        assert!(word.is(&PublishError::Unconfirmed("late".into())), "more tries would be more copies");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_limit_ends_as_long_after_a_stop_as_the_rest_has() {
        let shutdown = Shutdown::new();
        let held =
            hold(&shutdown, None, "it is done", |_| false, || std::future::ready(Err::<(), _>("down")));
        let begun = Instant::now();

        let (ended, ()) = tokio::join!(held, async {
            sleep(Duration::from_hours(1)).await;
            shutdown.stop();
        });

        assert!(matches!(ended, Tried::GaveUp));
        assert_eq!(begun.elapsed(), Duration::from_hours(1) + HOLD);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_until_it_is_done_can_never_be_or_takes_too_long() {
        let shutdown = Shutdown::new();
        let mut tries = 0;
        let third = hold(
            &shutdown,
            Some(HOLD),
            "it is done",
            |_: &&str| false,
            || {
                tries += 1;
                std::future::ready(if tries < 3 { Err("not yet") } else { Ok(tries) })
            },
        );
        assert!(matches!(third.await, Tried::Done(3)));

        let never = hold(
            &shutdown,
            Some(HOLD),
            "it is done",
            |_| true,
            || std::future::ready(Err::<(), _>("broken")),
        );
        assert!(matches!(never.await, Tried::Never("broken")));

        let down =
            hold(&shutdown, Some(HOLD), "it is done", |_| false, || std::future::ready(Err::<(), _>("down")));
        assert!(matches!(down.await, Tried::GaveUp));

        shutdown.stop_now();
        let stopped =
            hold(&shutdown, Some(HOLD), "it is done", |_| false, std::future::pending::<Result<(), &str>>);
        assert!(matches!(stopped.await, Tried::GaveUp));
    }
}
