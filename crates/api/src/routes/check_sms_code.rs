//! `POST /sms_codes/{mobile}/check/` with `sms_code` as JSON or a form: what the page's check button calls.
//!
//! A shop's own programs use `POST /v1/checks` with their key.

use std::sync::Arc;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use postrider_core::code::Code;
use postrider_core::phone::{PhoneNumber, Region};

use super::input;
use crate::config::HttpSettings;
use crate::error::ApiError;
use crate::flows::{self, CheckCode, Purpose};
use crate::retcode::Retcode;
use crate::services::Services;

pub(super) async fn check_sms_code(
    request: HttpRequest,
    mobile: Path<String>,
    body: Payload,
    services: Data<Services>,
    http: Data<HttpSettings>,
) -> HttpResponse {
    check(&request, &mobile, body, &services, &http).await.unwrap_or_else(Retcode::from).answer()
}

async fn check(
    request: &HttpRequest,
    mobile: &str,
    body: Payload,
    services: &Data<Services>,
    http: &HttpSettings,
) -> Result<Retcode, ApiError> {
    let app = Arc::clone(&services.shop()?.app);
    let mut fields = input::read_or_form(request, body, http.request_timeout, &["sms_code"]).await?;
    let typed = input::filled(&mut fields, "sms_code")?;
    let to = PhoneNumber::parse(mobile, Some(Region::CN), &services.phone)?;
    let Ok(code) = Code::parse(typed.trim()) else { return Ok(Retcode::no_code()) };
    // Whoever is at the page has no key, so guesses are counted by address.
    let guess = CheckCode { app, to, purpose: Purpose::default(), code, ip: input::address(request, http) };
    services.work.run(flows::check_code(services.clone().into_inner(), guess)).await?;
    Ok(Retcode::approved())
}
