//! How far a plan has come whose messages are published in several tries.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::broker::PublishError;
use crate::canvas::{Outgoing, Plan};

/// Which messages of a plan the broker has confirmed.
#[derive(Debug, Default)]
pub struct Progress {
    /// In the plan's order.
    confirmed: OnceLock<Vec<AtomicBool>>,
    /// Whether a message of this try has failed.
    failed: AtomicBool,
}

impl Progress {
    /// Begins a try: what is left to be published.
    pub(super) fn left<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (&'a Outgoing, &'a AtomicBool)> {
        self.failed.store(false, Ordering::Relaxed);
        let none = || plan.outgoing.iter().map(|_| AtomicBool::new(false)).collect();
        let confirmed = self.confirmed.get_or_init(none);
        plan.outgoing.iter().zip(confirmed).filter(|(_, confirmed)| !confirmed.load(Ordering::Relaxed))
    }

    /// Publishes a message and notes whether it was confirmed. Does nothing once another of this try has failed.
    pub(super) async fn unless_failed(
        &self,
        publish: impl Future<Output = Result<(), PublishError>>,
        confirmed: &AtomicBool,
    ) -> Result<(), PublishError> {
        if self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let ended = publish.await;
        match &ended {
            Ok(()) => confirmed.store(true, Ordering::Relaxed),
            Err(_) => self.failed.store(true, Ordering::Relaxed),
        }
        ended
    }
}
