//! `GET /sms_codes/{mobile}/?uuid=..&image_code=..`: the tutorial's route that sends a code.
//!
//! It is a GET that changes something, because the tutorial's pages ask so; nothing may cache it, and a HEAD is refused.

use std::time::Duration;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use postrider_core::phone::{PhoneNumber, Region};
use postrider_core::verification::Verification;

use super::input;
use crate::config::HttpSettings;
use crate::error::{ApiError, whole_seconds};
use crate::flows::{self, SendSmsCode};
use crate::retcode::Retcode;
use crate::services::Services;

pub(super) async fn send_sms_code(
    request: HttpRequest,
    mobile: Path<String>,
    services: Data<Services>,
    http: Data<HttpSettings>,
) -> HttpResponse {
    let asked = asked(&request, &mobile, &services, &http).inspect_err(|error| flows::count(error.code()));
    let sent = match asked {
        Ok(asked) => services.work.run(flows::send_sms_code(services.clone().into_inner(), asked)).await,
        Err(error) => Err(error),
    };
    sent.map_or_else(Retcode::from, |verification| Retcode::sent(gap(&verification))).answer()
}

fn asked(
    request: &HttpRequest,
    mobile: &str,
    services: &Services,
    http: &HttpSettings,
) -> Result<SendSmsCode, ApiError> {
    let mut fields = input::query(request, &["uuid", "image_code"])?;
    let (uuid, typed) = (input::filled(&mut fields, "uuid")?, input::filled(&mut fields, "image_code")?);
    let to = PhoneNumber::parse(mobile, Some(Region::CN), &services.phone)?;
    Ok(SendSmsCode { to, picture: uuid.parse().ok(), typed, ip: input::address(request, http) })
}

/// How long the number must wait for another code.
fn gap(verification: &Verification) -> u64 {
    let gap = verification.resend_at.duration_since(verification.created_at);
    whole_seconds(Duration::try_from(gap).unwrap_or_default())
}
