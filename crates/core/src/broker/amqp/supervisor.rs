//! Keeps something alive on a connection: runs a session until it fails, waits, and runs the next one.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio_util::sync::CancellationToken;

use super::connect::LinkError;

/// The longest wait between two attempts: a broker that is back is used again within five seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What is kept alive.
pub(super) trait Session: Sync {
    /// One session: connects, works, and ends with an error when it broke or without one when it was asked to end.
    /// Sets `held` once it has got as far as doing its work.
    fn run(&self, held: &mut bool) -> impl Future<Output = Result<(), LinkError>> + Send;
}

/// Runs sessions one after another until `stop`, or until a session ends of its own accord.
///
/// A session that ends with an error is followed by another after a growing, jittered wait, which starts anew once a
/// session has held.
pub(super) async fn keep(what: &'static str, stop: &CancellationToken, session: &impl Session) {
    let waits = || {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(LONGEST_WAIT)
            .without_max_times()
            .with_jitter()
            .build()
    };
    let mut wait = waits();
    loop {
        let mut held = false;
        match session.run(&mut held).await {
            Ok(()) => return,
            Err(error) => {
                metrics::counter!("postrider_broker_connections_lost_total", "connection" => what)
                    .increment(1);
                tracing::warn!(connection = what, %error, "the broker connection is down, connecting again");
            }
        }
        if held {
            wait = waits();
        }
        let delay = wait.next().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}
