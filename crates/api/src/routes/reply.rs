//! A verification as it is answered.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, HttpResponseBuilder};
use jiff::Timestamp;
use postrider_core::verification::{DeliveryState, Status, Verification, VerificationId};
use serde::Serialize;

#[derive(Serialize)]
struct Reply {
    id: VerificationId,
    status: Status,
    to: String,
    purpose: String,
    created_at: Timestamp,
    expires_at: Timestamp,
    resend_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Timestamp>,
    checks_left: u32,
    delivery: Delivery,
}

#[derive(Serialize)]
struct Delivery {
    state: DeliveryState,
}

/// Finishes an answer with a verification, which no cache may keep.
pub(super) fn reply(mut response: HttpResponseBuilder, verification: Verification) -> HttpResponse {
    let Verification {
        id,
        purpose,
        to,
        status,
        created_at,
        expires_at,
        resend_at,
        approved_at,
        checks_left,
        delivery,
    } = verification;
    response.insert_header((CACHE_CONTROL, "no-store")).json(Reply {
        id,
        status,
        to,
        purpose,
        created_at,
        expires_at,
        resend_at,
        approved_at,
        checks_left,
        delivery: Delivery { state: delivery },
    })
}
