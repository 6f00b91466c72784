//! The SMS that would have been sent: printed in the terminal and listed at `GET /dev/outbox`.
//!
//! Numbers and codes are shown whole, because this is where a developer reads them. Nothing of it is in the other
//! binaries.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use postrider_core::clock::Clock;
use postrider_delivery::providers::{Console, Outcome, Provider, Receipt, SendRequest};
use serde::Serialize;

/// How many SMS the outbox keeps.
const KEPT: usize = 100;

/// Keeps the last SMS and prints each. Clones share them.
#[derive(Clone)]
pub(crate) struct Outbox {
    clock: Clock,
    console: Arc<Console>,
    sent: Arc<Mutex<VecDeque<Sms>>>,
}

/// An SMS as the outbox lists it.
#[derive(Debug, Clone, Serialize)]
struct Sms {
    to: String,
    code: String,
    purpose: String,
    minutes: u32,
    task: String,
    sent_at: Timestamp,
}

impl Outbox {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, console: Arc::new(Console::stdout()), sent: Arc::default() }
    }

    /// The routes that only this binary has.
    pub(crate) fn routes(&self, config: &mut web::ServiceConfig) {
        let outbox = self.clone();
        config.route(
            "/dev/outbox",
            web::get().to(move || {
                let listed = outbox.newest_first();
                async move { HttpResponse::Ok().json(listed) }
            }),
        );
    }

    fn newest_first(&self) -> Vec<Sms> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[async_trait::async_trait]
impl Provider for Outbox {
    fn name(&self) -> &'static str {
        "outbox"
    }

    fn dedupes(&self) -> bool {
        false
    }

    async fn send(&self, request: &SendRequest) -> Outcome {
        let sms = Sms {
            to: request.to.e164().to_owned(),
            code: request.code.expose().to_owned(),
            purpose: request.purpose.clone(),
            minutes: request.minutes,
            task: request.id.clone(),
            sent_at: self.clock.now(),
        };
        {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push_front(sms);
            sent.truncate(KEPT);
        }
        if !matches!(self.console.send(request).await, Outcome::Accepted(_)) {
            tracing::warn!("the terminal is gone; the SMS is in the outbox");
        }
        Outcome::Accepted(Receipt { provider_id: None })
    }
}
