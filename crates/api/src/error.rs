//! Why a request is not granted: each reason with its HTTP status, its stable code and its sentences.
//!
//! No sentence holds anything from the request but the names of fields: a value may be a number or a code. How it is
//! put on the wire is in `problem`.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use postrider_core::phone::PhoneError;
use postrider_core::redis::StoreError;
use postrider_core::throttle::DeniedBy;
use postrider_core::verification::VerificationId;

/// When to ask again after an outage: the connections are built anew within that time once the servers are back.
const OUTAGE: Duration = Duration::from_secs(5);

/// Why a request is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// The body is not JSON. The sentence says where.
    Malformed(String),
    /// A field is missing, unknown or of the wrong type or form. The sentence names it.
    InvalidParameter(String),
    UnsupportedMediaType,
    /// With the bytes that a body may have.
    BodyTooLarge(usize),
    RequestTimeout,
    Unauthenticated,
    NotFound,
    /// With the methods that the path has.
    MethodNotAllowed(&'static str),
    VerificationNotFound,
    InvalidPhoneNumber(PhoneError),
    DestinationNotAllowed,
    Limited {
        by: DeniedBy,
        retry_after: Duration,
    },
    CodeIncorrect {
        checks_left: u32,
    },
    VerificationExpired,
    VerificationConsumed,
    ChecksExhausted,
    /// The answer to a picture is wrong. It was the one try.
    CaptchaIncorrect,
    /// The picture was never drawn, was answered before, or has run out.
    CaptchaExpired,
    /// The address asked for too many pictures.
    CaptchaLimited {
        retry_after: Duration,
    },
    /// As many pictures wait as may.
    CaptchasFull {
        retry_after: Duration,
    },
    QueueUnavailable,
    /// The SMS may go out; the number may be sent another after the wait.
    QueueUnconfirmed {
        id: VerificationId,
        retry_after: Duration,
    },
    StoreUnavailable,
    Internal,
}

impl ApiError {
    /// The stable name, for programs and metrics.
    pub(crate) fn code(&self) -> &'static str {
        self.describe().1
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.describe().0
    }

    /// What went wrong, the same for every request.
    pub(crate) fn title(&self) -> &'static str {
        self.describe().2
    }

    fn describe(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as Status;
        let (status, code, title) = match self {
            Self::Malformed(_) => (Status::BAD_REQUEST, "malformed_request", "The body is not JSON"),
            Self::InvalidParameter(_) => {
                (Status::UNPROCESSABLE_ENTITY, "invalid_parameter", "A field cannot be used")
            }
            Self::UnsupportedMediaType => {
                (Status::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body must be JSON")
            }
            Self::BodyTooLarge(_) => (Status::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large"),
            Self::RequestTimeout => {
                (Status::REQUEST_TIMEOUT, "request_timeout", "The body took too long to arrive")
            }
            Self::Unauthenticated => (Status::UNAUTHORIZED, "unauthenticated", "A secret key is needed"),
            Self::NotFound => (Status::NOT_FOUND, "not_found", "There is nothing at this path"),
            Self::MethodNotAllowed(_) => {
                (Status::METHOD_NOT_ALLOWED, "method_not_allowed", "The path does not take this method")
            }
            Self::VerificationNotFound => {
                (Status::NOT_FOUND, "verification_not_found", "There is no such verification")
            }
            Self::InvalidPhoneNumber(_) => {
                (Status::UNPROCESSABLE_ENTITY, "invalid_phone_number", "The number cannot be sent a code")
            }
            Self::DestinationNotAllowed => {
                (Status::FORBIDDEN, "destination_not_allowed", "The number gets no codes here")
            }
            Self::Limited { by, .. } => {
                let (code, title) = match by {
                    DeniedBy::Cooldown => ("cooldown_active", "The number was sent a code just now"),
                    DeniedBy::Number => ("send_limit_reached", "The number was sent too many codes"),
                    DeniedBy::Ip => ("ip_limit_reached", "The address asked for too many codes"),
                };
                (Status::TOO_MANY_REQUESTS, code, title)
            }
            Self::CodeIncorrect { .. } => {
                (Status::UNPROCESSABLE_ENTITY, "code_incorrect", "The code is wrong")
            }
            Self::VerificationExpired => (Status::GONE, "verification_expired", "The code has run out"),
            Self::VerificationConsumed => (Status::GONE, "verification_consumed", "The code was used before"),
            Self::ChecksExhausted => {
                (Status::TOO_MANY_REQUESTS, "checks_exhausted", "All guesses are used up")
            }
            Self::CaptchaIncorrect => {
                (Status::UNPROCESSABLE_ENTITY, "captcha_incorrect", "The picture shows something else")
            }
            Self::CaptchaExpired => (Status::GONE, "captcha_expired", "The picture is good no more"),
            Self::CaptchaLimited { .. } => (
                Status::TOO_MANY_REQUESTS,
                "captcha_limit_reached",
                "The address asked for too many pictures",
            ),
            Self::CaptchasFull { .. } => {
                (Status::SERVICE_UNAVAILABLE, "captchas_full", "Too many pictures wait for their answers")
            }
            Self::QueueUnavailable => {
                (Status::SERVICE_UNAVAILABLE, "queue_unavailable", "Codes cannot be sent just now")
            }
            Self::QueueUnconfirmed { .. } => {
                (Status::SERVICE_UNAVAILABLE, "queue_unconfirmed", "It is not known whether the code is sent")
            }
            Self::StoreUnavailable => {
                (Status::SERVICE_UNAVAILABLE, "store_unavailable", "Codes and limits cannot be read just now")
            }
            Self::Internal => {
                (Status::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side")
            }
        };
        (status, code, title)
    }

    /// What to do about it.
    pub(crate) fn detail(&self) -> Cow<'_, str> {
        match self {
            Self::Malformed(detail) | Self::InvalidParameter(detail) => detail.into(),
            Self::UnsupportedMediaType => {
                "Send plain JSON with the header Content-Type: application/json.".into()
            }
            Self::BodyTooLarge(limit) => format!("It may have {limit} bytes.").into(),
            Self::RequestTimeout => "Send the body at once after the head.".into(),
            Self::Unauthenticated => "Send the app's secret key as Authorization: Bearer prk_...".into(),
            Self::NotFound => "The API's paths begin with /v1/verifications and /v1/checks.".into(),
            Self::MethodNotAllowed(methods) => format!("It takes {methods}.").into(),
            Self::VerificationNotFound => {
                "The id is wrong, is another app's or too old, or the number has no verification for this \
                 purpose."
                    .into()
            }
            Self::InvalidPhoneNumber(error) => sentence(*error).into(),
            Self::DestinationNotAllowed => sentence(PhoneError::Denied).into(),
            Self::Limited { retry_after, .. } => {
                format!("Nothing was sent. Ask again in {} s.", whole_seconds(*retry_after)).into()
            }
            Self::CodeIncorrect { checks_left: 0 } => "It was the last guess: ask for a new code.".into(),
            Self::CodeIncorrect { checks_left } => format!("Guesses that are left: {checks_left}.").into(),
            Self::VerificationExpired | Self::ChecksExhausted => "Ask for a new code.".into(),
            Self::VerificationConsumed => "A code is good for one check: ask for a new one.".into(),
            Self::CaptchaIncorrect | Self::CaptchaExpired => {
                "Nothing was sent. Ask for a new picture.".into()
            }
            Self::CaptchaLimited { retry_after } | Self::CaptchasFull { retry_after } => {
                format!("Ask again in {} s.", whole_seconds(*retry_after)).into()
            }
            Self::QueueUnavailable => "Nothing was sent and no limit was touched.".into(),
            Self::QueueUnconfirmed { .. } => {
                "If the code arrives it is good; if it does not, ask for a new one later.".into()
            }
            Self::StoreUnavailable => "Nothing was sent. Make the request again later.".into(),
            Self::Internal => "The service's log says more.".into(),
        }
    }

    /// When asking again may help.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Limited { retry_after, .. }
            | Self::CaptchaLimited { retry_after }
            | Self::CaptchasFull { retry_after }
            | Self::QueueUnconfirmed { retry_after, .. } => Some(whole_seconds(*retry_after)),
            Self::QueueUnavailable | Self::StoreUnavailable => Some(whole_seconds(OUTAGE)),
            _ => None,
        }
    }
}

impl From<StoreError> for ApiError {
    /// The end of a store's error, and so the place where it is logged.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => tracing::warn!(%error, "a request was refused"),
            StoreError::Answer(_) => tracing::error!(%error, "a request was refused"),
        }
        Self::StoreUnavailable
    }
}

impl From<PhoneError> for ApiError {
    fn from(error: PhoneError) -> Self {
        match error {
            PhoneError::Denied => Self::DestinationNotAllowed,
            error => Self::InvalidPhoneNumber(error),
        }
    }
}

/// Rounded up, so that who waits that long is not told to wait again.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Core's errors are fragments that fit after "failed to".
fn sentence(error: PhoneError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_rounded_up() {
        for (ms, expected) in [(1, 1), (1000, 1), (59_001, 60), (60_000, 60)] {
            let limited =
                ApiError::Limited { by: DeniedBy::Cooldown, retry_after: Duration::from_millis(ms) };
            assert_eq!(limited.retry_after(), Some(expected));
        }
    }

    #[test]
    fn each_limit_has_its_own_code_and_a_denied_range_is_not_an_invalid_number() {
        let code = |by| ApiError::Limited { by, retry_after: Duration::ZERO }.code();

        assert_eq!(code(DeniedBy::Cooldown), "cooldown_active");
        assert_eq!(code(DeniedBy::Number), "send_limit_reached");
        assert_eq!(code(DeniedBy::Ip), "ip_limit_reached");
        assert_eq!(ApiError::from(PhoneError::Denied).code(), "destination_not_allowed");
        assert_eq!(ApiError::from(PhoneError::Length).code(), "invalid_phone_number");
    }

    #[test]
    fn a_phone_error_reads_as_a_sentence() {
        let detail = ApiError::from(PhoneError::Length).detail().into_owned();
        assert_eq!(detail, "The number has the wrong length for its country.");
    }
}
