//! The tutorial's answers: HTTP 200 with a RETCODE and a sentence in Chinese for the person at the page.
//!
//! The codes are those of the tutorial's `RETCODE` class, as texts. Every error of the api has one, found by a match that
//! a new error breaks.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use postrider_core::throttle::DeniedBy;
use serde::Serialize;

use crate::error::ApiError;

/// An answer as the tutorial's pages read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Retcode {
    code: &'static str,
    errmsg: Cow<'static, str>,
    /// When the number may be sent another code, in seconds.
    #[serde(skip)]
    retry_after: Option<u64>,
    /// Whether a part of the request was left unread, so that nothing can follow on its connection.
    #[serde(skip)]
    unread: bool,
}

/// `OK`.
const OK: &str = "0";
/// `IMAGECODEERR`.
const IMAGE_CODE: &str = "4001";
/// `THROTTLINGERR`.
const THROTTLED: &str = "4002";
/// `NECESSARYPARAMERR`.
const PARAMETER: &str = "4003";
/// `MOBILEERR`.
const MOBILE: &str = "4007";
/// `SMSCODERR`.
const SMS_CODE: &str = "4008";
/// `DBERR`.
const SERVER: &str = "5000";

impl Retcode {
    /// The SMS is on its way; the number may be sent another after so many seconds.
    pub(crate) fn sent(retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(OK, "发送短信成功") }
    }

    /// The code of the SMS was right.
    pub(crate) fn approved() -> Self {
        Self::new(OK, "短信验证码正确")
    }

    /// What was typed has not the form of a code; it cost no guess.
    pub(crate) fn no_code() -> Self {
        Self::new(SMS_CODE, "短信验证码应为6位数字")
    }

    /// The answer, which no cache may keep.
    pub(crate) fn answer(&self) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if self.unread {
            response.force_close();
        }
        response.json(self)
    }

    fn new(code: &'static str, errmsg: impl Into<Cow<'static, str>>) -> Self {
        Self { code, errmsg: errmsg.into(), retry_after: None, unread: false }
    }
}

impl From<ApiError> for Retcode {
    fn from(error: ApiError) -> Self {
        let (code, errmsg): (_, Cow<'static, str>) = match &error {
            ApiError::CaptchaIncorrect => (IMAGE_CODE, "图形验证码错误".into()),
            ApiError::CaptchaExpired => (IMAGE_CODE, "图形验证码已失效".into()),
            ApiError::Limited { by: DeniedBy::Cooldown, .. } => (THROTTLED, "发送短信过于频繁".into()),
            ApiError::Limited { by: DeniedBy::Number, .. } => {
                (THROTTLED, "该手机号获取短信验证码次数过多，请稍后再试".into())
            }
            ApiError::Limited { by: DeniedBy::Ip, .. } | ApiError::CaptchaLimited { .. } => {
                (THROTTLED, "操作过于频繁，请稍后再试".into())
            }
            ApiError::InvalidParameter(_) => (PARAMETER, "缺少必传参数".into()),
            ApiError::Malformed(_)
            | ApiError::UnsupportedMediaType
            | ApiError::BodyTooLarge(_)
            | ApiError::RequestTimeout => (PARAMETER, "请求格式错误".into()),
            ApiError::InvalidPhoneNumber(_) => (MOBILE, "手机号不正确".into()),
            ApiError::DestinationNotAllowed => (MOBILE, "该手机号不支持接收短信验证码".into()),
            ApiError::CodeIncorrect { checks_left: 0 } => {
                (SMS_CODE, "短信验证码错误，次数已用完，请重新获取".into())
            }
            ApiError::CodeIncorrect { checks_left } => {
                (SMS_CODE, format!("短信验证码错误，还可以输入{checks_left}次").into())
            }
            ApiError::VerificationNotFound => (SMS_CODE, "没有可用的短信验证码，请先获取".into()),
            ApiError::VerificationExpired => (SMS_CODE, "短信验证码已过期，请重新获取".into()),
            ApiError::VerificationConsumed => (SMS_CODE, "短信验证码已使用过，请重新获取".into()),
            ApiError::ChecksExhausted => (SMS_CODE, "短信验证码输错次数过多，请重新获取".into()),
            ApiError::QueueUnavailable => (SERVER, "短信服务暂时不可用，短信未发送，请稍后再试".into()),
            ApiError::QueueUnconfirmed { .. } => {
                (SERVER, "短信可能已经发出，请留意查收；如未收到，请稍后再试".into())
            }
            ApiError::StoreUnavailable | ApiError::CaptchasFull { .. } => {
                (SERVER, "服务暂时不可用，请稍后再试".into())
            }
            // The last ones are problems of routes that this one is not.
            ApiError::Internal
            | ApiError::Unauthenticated
            | ApiError::NotFound
            | ApiError::MethodNotAllowed(_) => (SERVER, "服务器内部错误，请稍后再试".into()),
        };
        Self {
            retry_after: error.retry_after().filter(|_| code == THROTTLED),
            unread: matches!(error, ApiError::BodyTooLarge(_) | ApiError::RequestTimeout),
            ..Self::new(code, errmsg)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postrider_core::phone::PhoneError;
    use postrider_core::verification::VerificationId;

    use super::*;

    fn limited(by: DeniedBy) -> ApiError {
        ApiError::Limited { by, retry_after: Duration::from_millis(41_200) }
    }

    #[test]
    fn every_error_of_the_flows_has_the_code_of_the_tutorial() {
        let retry_after = Duration::from_mins(1);
        let cases = [
            (ApiError::CaptchaIncorrect, "4001"),
            (ApiError::CaptchaExpired, "4001"),
            (limited(DeniedBy::Cooldown), "4002"),
            (limited(DeniedBy::Number), "4002"),
            (limited(DeniedBy::Ip), "4002"),
            (ApiError::InvalidParameter(String::new()), "4003"),
            (ApiError::Malformed(String::new()), "4003"),
            (ApiError::BodyTooLarge(1), "4003"),
            (ApiError::InvalidPhoneNumber(PhoneError::Length), "4007"),
            (ApiError::DestinationNotAllowed, "4007"),
            (ApiError::CodeIncorrect { checks_left: 4 }, "4008"),
            (ApiError::CodeIncorrect { checks_left: 0 }, "4008"),
            (ApiError::VerificationNotFound, "4008"),
            (ApiError::VerificationExpired, "4008"),
            (ApiError::VerificationConsumed, "4008"),
            (ApiError::ChecksExhausted, "4008"),
            (ApiError::QueueUnavailable, "5000"),
            (ApiError::QueueUnconfirmed { id: VerificationId::random(), retry_after }, "5000"),
            (ApiError::StoreUnavailable, "5000"),
            (ApiError::Internal, "5000"),
        ];
        for (error, code) in cases {
            let answer = Retcode::from(error.clone());
            assert_eq!(answer.code, code, "{error:?}");
            assert!(!answer.errmsg.is_ascii(), "{error:?}");
        }
    }

    #[test]
    fn only_what_sends_again_later_says_when() {
        assert_eq!(Retcode::from(limited(DeniedBy::Cooldown)).retry_after, Some(42));
        assert_eq!(Retcode::sent(60).retry_after, Some(60));
        for error in [ApiError::StoreUnavailable, ApiError::CaptchaExpired] {
            assert_eq!(Retcode::from(error).retry_after, None);
        }
    }

    #[test]
    fn what_must_be_asked_for_anew_says_so_and_a_code_that_may_come_is_not_denied() {
        for error in [
            ApiError::CodeIncorrect { checks_left: 0 },
            ApiError::VerificationExpired,
            ApiError::VerificationConsumed,
            ApiError::ChecksExhausted,
        ] {
            assert!(Retcode::from(error.clone()).errmsg.contains("请重新获取"), "{error:?}");
        }
        let left = Retcode::from(ApiError::CodeIncorrect { checks_left: 4 });
        assert_eq!(left.errmsg, "短信验证码错误，还可以输入4次");
        let retry_after = Duration::ZERO;
        let unknown = ApiError::QueueUnconfirmed { id: VerificationId::random(), retry_after };
        assert!(Retcode::from(unknown).errmsg.contains("可能已经发出"));
    }

    #[test]
    fn the_body_is_the_two_fields_of_the_tutorial() {
        let body = serde_json::to_string(&Retcode::sent(60)).unwrap();
        assert_eq!(body, r#"{"code":"0","errmsg":"发送短信成功"}"#);
    }
}
