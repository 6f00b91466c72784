//! Trying again for as long as a delivery can be held: what has to be done before a message may be settled.

use std::fmt::Display;
use std::time::Duration;

use postrider_core::shutdown::Shutdown;

use crate::held::Held;

/// How long a delivery is held while something that comes before its end cannot be done.
pub(crate) const HOLD: Duration = Duration::from_secs(30);
/// For how long a broker may refuse what follows a task before it is taken for its last word: less than a delivery is
/// held, else the task would go back and be run again, for ever.
pub(crate) const REFUSED: Duration = Duration::from_secs(20);
/// What was acknowledged before its run has no queue to go back to: it is held until the process ends.
const FOR_EVER: Duration = Duration::MAX;
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

/// How long a message can wait for what comes before its end.
pub(crate) fn patience(held: &Held) -> Duration {
    if held.is_acked() { FOR_EVER } else { HOLD }
}

/// Tries until it is done, can never be, or has taken longer than the patience. `what` is for the log.
pub(crate) async fn hold<T, E: Display, F: Future<Output = Result<T, E>>>(
    shutdown: &Shutdown,
    patience: Duration,
    what: &str,
    is_final: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Tried<T, E> {
    let tried = tokio::time::timeout(patience, async {
        loop {
            match attempt().await {
                Ok(done) => return Tried::Done(done),
                Err(error) if is_final(&error) => return Tried::Never(error),
                Err(error) => tracing::warn!(%error, "holding a delivery until {what}"),
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    });
    tokio::select! {
        tried = tried => tried.unwrap_or(Tried::GaveUp),
        () = shutdown.hard().cancelled() => Tried::GaveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_until_it_is_done_can_never_be_or_takes_too_long() {
        let shutdown = Shutdown::new();
        let mut tries = 0;
        let third = hold(
            &shutdown,
            HOLD,
            "it is done",
            |_: &&str| false,
            || {
                tries += 1;
                std::future::ready(if tries < 3 { Err("not yet") } else { Ok(tries) })
            },
        );
        assert!(matches!(third.await, Tried::Done(3)));

        let never =
            hold(&shutdown, HOLD, "it is done", |_| true, || std::future::ready(Err::<(), _>("broken")));
        assert!(matches!(never.await, Tried::Never("broken")));

        let down =
            hold(&shutdown, HOLD, "it is done", |_| false, || std::future::ready(Err::<(), _>("down")));
        assert!(matches!(down.await, Tried::GaveUp));

        shutdown.stop_now();
        let stopped =
            hold(&shutdown, HOLD, "it is done", |_| false, std::future::pending::<Result<(), &str>>);
        assert!(matches!(stopped.await, Tried::GaveUp));
    }
}
