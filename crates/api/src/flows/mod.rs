//! What is done for a request: each flow takes parsed input and the services, and knows no HTTP but its errors.

mod captcha;
mod check_code;
mod check_verification;
mod create_verification;
mod django_copy;
mod draw_captcha;
mod get_verification;
mod purpose;
mod send_sms_code;
mod speak_captcha;

pub(crate) use check_code::{CheckCode, check_code};
pub(crate) use check_verification::{CheckVerification, check_verification};
pub(crate) use create_verification::{CreateVerification, count, create_verification};
pub(crate) use draw_captcha::draw_captcha;
pub(crate) use get_verification::get_verification;
pub(crate) use purpose::Purpose;
pub(crate) use send_sms_code::{SendSmsCode, send_sms_code};
pub(crate) use speak_captcha::speak_captcha;

use postrider_core::code::Code;
use postrider_core::phone::PhoneNumber;

use crate::auth::App;

/// What the MAC of a code is made over: a code is right for one verification of one app only.
fn code_parts<'a>(app: &'a App, id: &'a str, code: &'a Code) -> [&'a str; 4] {
    ["code", &app.name, id, code.expose()]
}

/// What the newest verification of a number is found by.
fn latest_parts<'a>(app: &'a App, purpose: &'a Purpose, to: &'a PhoneNumber) -> [&'a str; 4] {
    ["latest", &app.name, purpose.as_str(), to.e164()]
}
