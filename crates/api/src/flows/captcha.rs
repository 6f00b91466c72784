//! What the flows of pictures share: who may ask for one, reading what was kept of it, and counting what became of it.

use std::net::IpAddr;

use postrider_core::captchas::CaptchaText;
use postrider_core::throttle::{Asker, Decision};
use uuid::Uuid;

use crate::client_ip;
use crate::error::ApiError;
use crate::services::Services;
use crate::shop::Shop;

/// Lets an address have a picture drawn or spoken, not too often.
pub(super) async fn admit(services: &Services, shop: &Shop, ip: Option<IpAddr>) -> Result<(), ApiError> {
    let Some(ip) = ip else { return Ok(()) };
    let ip = services.keys.pepper.macs(&["captcha", &client_ip::counted(ip)]);
    match shop.captcha_requests.acquire(Asker { number: Vec::new(), ip }).await? {
        Decision::Granted(_) => Ok(()),
        Decision::Denied { retry_after, .. } => Err(ApiError::CaptchaLimited { retry_after }),
    }
}

/// What a picture shows. One that cannot be opened, because its key is gone, is as good as none.
pub(super) fn open(services: &Services, id: Uuid, sealed: &str) -> Option<CaptchaText> {
    let opened = CaptchaText::open(&services.keys.seal, id, sealed);
    opened.inspect_err(|error| tracing::error!(%error, "a picture's text cannot be opened")).ok()
}

/// Counts what became of a picture.
pub(super) fn count(outcome: &'static str) {
    metrics::counter!("postrider_captchas_total", "outcome" => outcome).increment(1);
}
