//! Sends a code to a number whose owner has answered a picture. The picture is used up before its answer is compared.

use std::net::IpAddr;
use std::sync::Arc;

use postrider_core::phone::PhoneNumber;
use postrider_core::verification::Verification;
use uuid::Uuid;

use super::{CreateVerification, Purpose, captcha, count, create_verification};
use crate::error::ApiError;
use crate::services::Services;

/// A request for a code, with the answer to a picture.
pub(crate) struct SendSmsCode {
    pub(crate) to: PhoneNumber,
    /// The picture; what is no id is that of no picture.
    pub(crate) picture: Option<Uuid>,
    /// What a person read in it.
    pub(crate) typed: String,
    /// The end user's address.
    pub(crate) ip: Option<IpAddr>,
}

/// See the module.
pub(crate) async fn send_sms_code(
    services: Arc<Services>,
    request: SendSmsCode,
) -> Result<Verification, ApiError> {
    let SendSmsCode { to, picture, typed, ip } = request;
    let answered = answer(&services, picture, &typed).await;
    captcha::count(answered.as_ref().map_or_else(ApiError::code, |()| "answered"));
    answered.inspect_err(|error| count(error.code()))?;
    let app = Arc::clone(&services.shop()?.app);
    create_verification(services, CreateVerification { app, to, purpose: Purpose::default(), ip }).await
}

/// Uses a picture up and compares its text.
async fn answer(services: &Services, picture: Option<Uuid>, typed: &str) -> Result<(), ApiError> {
    let id = picture.ok_or(ApiError::CaptchaExpired)?;
    let sealed = services.shop()?.captchas.take(id).await?.ok_or(ApiError::CaptchaExpired)?;
    let text = captcha::open(services, id, &sealed).ok_or(ApiError::CaptchaExpired)?;
    if text.matches(typed) { Ok(()) } else { Err(ApiError::CaptchaIncorrect) }
}
