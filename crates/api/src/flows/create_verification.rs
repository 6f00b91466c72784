//! Sends a code to a number: throttle and code, then the task, and back again where the task is in no queue.
//!
//! 1. A slot of every window is taken, the code is kept as a MAC and the verification becomes the newest of its number and
//!    purpose, in one step; or the request is refused, and nothing is written.
//! 2. Where the shop asks for it, the code is also written where its Django code reads it.
//! 3. The task is published and confirmed. Certainly not published: code and slot are taken back, as if nobody had
//!    asked. Not known: both are kept, because the SMS may arrive.
//!
//! Each step waits for Redis or the broker no longer than their timeouts, so the whole has an end.

use std::net::IpAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use jiff::Timestamp;
use postrider_core::broker::PublishError;
use postrider_core::clock::{duration_from_millis, from_millis, millis};
use postrider_core::code::Code;
use postrider_core::codes::{Codes, NewCode};
use postrider_core::phone::PhoneNumber;
use postrider_core::producer::EnqueueError;
use postrider_core::task::Signature;
use postrider_core::tasks::{CcpSendSmsCode, SendCode};
use postrider_core::throttle::{Asker, Decision, Grant};
use postrider_core::verification::{DeliveryState, Status, Verification, VerificationId};

use super::django_copy::DjangoCopy;
use super::{Purpose, code_parts, latest_parts};
use crate::auth::App;
use crate::client_ip;
use crate::error::ApiError;
use crate::services::{Payload, Services};

/// Whether it was said that requests come without an address.
static SAID: Once = Once::new();

/// A request for a code.
#[derive(Debug)]
pub(crate) struct CreateVerification {
    pub(crate) app: Arc<App>,
    pub(crate) to: PhoneNumber,
    pub(crate) purpose: Purpose,
    /// The end user's address; without it no window counts one.
    pub(crate) ip: Option<IpAddr>,
}

/// See the module. Counts how it ended, also when nobody waits for the answer any more.
pub(crate) async fn create_verification(
    services: Arc<Services>,
    request: CreateVerification,
) -> Result<Verification, ApiError> {
    let created = create(&services, &request).await;
    count(created.as_ref().map_or_else(ApiError::code, |_| "created"));
    created
}

/// Counts the end of a request for a code.
pub(crate) fn count(outcome: &'static str) {
    metrics::counter!("postrider_verifications_total", "outcome" => outcome).increment(1);
}

async fn create(services: &Services, request: &CreateVerification) -> Result<Verification, ApiError> {
    let code = Code::random();
    let kept = new_code(services, request, &code);
    let grant = match services.backends.issuance.issue(asker(services, request), &kept).await {
        Ok(Decision::Granted(grant)) => grant,
        Ok(Decision::Denied { by, retry_after }) => return Err(ApiError::Limited { by, retry_after }),
        Err(error) => {
            // It may have been done all the same: the code would hide an earlier one that did arrive. The slot stays, if
            // it was taken: nobody knows of which instant it is. The answer does not wait for a store that has just
            // not answered.
            let codes = services.backends.codes.clone();
            services.shutdown.spawn(async move { withdraw(&codes, &kept).await });
            return Err(error.into());
        }
    };
    let copy = match DjangoCopy::write(services, request, &code, gap(&grant)).await {
        Ok(copy) => copy,
        Err(error) => {
            undo(services, &grant, &kept).await;
            return Err(error);
        }
    };
    match enqueue(services, request, (&kept, &grant), &code).await {
        Ok(()) => Ok(view(kept, &grant)),
        Err(EnqueueError::Publish(PublishError::Unconfirmed(reason))) => {
            tracing::warn!(
                verification.id = %kept.id, reason,
                "the broker did not confirm a task: the code and its slots are kept, the SMS may be sent"
            );
            Err(ApiError::QueueUnconfirmed { id: kept.id, retry_after: gap(&grant) })
        }
        Err(EnqueueError::Publish(PublishError::NotPublished(reason))) => {
            tracing::warn!(
                verification.id = %kept.id, %reason,
                "a task was not published: nothing is sent, the code and its slots are taken back"
            );
            copy.take_back().await;
            undo(services, &grant, &kept).await;
            Err(ApiError::QueueUnavailable)
        }
        Err(error) => {
            tracing::error!(verification.id = %kept.id, %error, "a task could not be written");
            copy.take_back().await;
            undo(services, &grant, &kept).await;
            Err(ApiError::Internal)
        }
    }
}

fn asker(services: &Services, request: &CreateVerification) -> Asker {
    let pepper = &services.keys.pepper;
    let ip = request.ip.map(client_ip::counted);
    if ip.is_none() {
        metrics::counter!("postrider_ip_unknown_total").increment(1);
        SAID.call_once(|| {
            tracing::warn!(
                app = %request.app.name,
                "requests without `signals.ip`: no limit per address holds for them (said once; counted in \
                 postrider_ip_unknown_total)"
            );
        });
    }
    Asker {
        number: pepper.macs(&["number", request.to.e164()]),
        ip: ip.map(|ip| pepper.macs(&["ip", &ip])).unwrap_or_default(),
    }
}

fn new_code(services: &Services, request: &CreateVerification, code: &Code) -> NewCode {
    let CreateVerification { app, to, purpose, .. } = request;
    let (id, pepper) = (VerificationId::random(), &services.keys.pepper);
    NewCode {
        app: app.name.clone(),
        purpose: purpose.as_str().into(),
        to: to.masked(),
        latest: pepper.mac(&latest_parts(app, purpose, to)),
        mac: pepper.mac(&code_parts(app, &id.to_string(), code)),
        ttl: services.codes.ttl,
        max_checks: services.codes.max_checks,
        id,
    }
}

async fn enqueue(
    services: &Services,
    request: &CreateVerification,
    (kept, grant): (&NewCode, &Grant),
    code: &Code,
) -> Result<(), EnqueueError> {
    let (to, expires, life) = (&request.to, expiry(kept, grant), kept.ttl);
    // The task has the verification's id, so that both are one thing in logs and records.
    let (id, queue) = (kept.id.task_id(), services.queue.name.as_str());
    match services.queue.payload {
        Payload::Sealed => {
            let (seal, id_of, app) = (&services.keys.seal, kept.id.clone(), &request.app.name);
            let task = SendCode::seal(seal, id_of, app, &kept.purpose, (expires, life), (to, code));
            services.producer.enqueue(Signature::new(task).id(id).queue(queue).expires(expires)).await?;
        }
        Payload::Clear => {
            let task = CcpSendSmsCode { mobile: to.domestic().into(), sms_code: code.expose().into() };
            services.producer.enqueue(Signature::new(task).id(id).queue(queue).expires(expires)).await?;
        }
    }
    Ok(())
}

/// Takes back what was done for a task that is in no queue.
async fn undo(services: &Services, grant: &Grant, kept: &NewCode) {
    withdraw(&services.backends.codes, kept).await;
    if let Err(error) = services.backends.throttle.release(grant).await {
        tracing::error!(
            verification.id = %kept.id, %error,
            "a slot could not be given back: the number waits although nothing was sent"
        );
    }
}

async fn withdraw(codes: &Codes, kept: &NewCode) {
    if let Err(error) = codes.withdraw(kept).await {
        tracing::error!(
            verification.id = %kept.id, %error,
            "a code that was not sent could not be taken back: it hides an earlier one until it runs out"
        );
    }
}

/// When the code runs out, by the store's clock, which also decides whether it has.
fn expiry(kept: &NewCode, grant: &Grant) -> Timestamp {
    from_millis(grant.at_ms + millis(kept.ttl))
}

fn gap(grant: &Grant) -> Duration {
    duration_from_millis(grant.next_ms - grant.at_ms)
}

fn view(kept: NewCode, grant: &Grant) -> Verification {
    Verification {
        created_at: from_millis(grant.at_ms),
        expires_at: expiry(&kept, grant),
        resend_at: from_millis(grant.next_ms),
        id: kept.id,
        purpose: kept.purpose,
        to: kept.to,
        status: Status::Pending,
        approved_at: None,
        checks_left: kept.max_checks,
        delivery: DeliveryState::Queued,
    }
}
