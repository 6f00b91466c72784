//! Problem details (RFC 9457): how an error is put on the wire.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::error::ApiError;

/// An error as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    error: ApiError,
    sent: Option<Sent>,
}

/// Whether an SMS was sent for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Sent {
    No,
    Unknown,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks_left: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Problem {
    /// The problem of a request that would have sent an SMS: it says whether one was sent.
    pub(crate) fn of_create(error: ApiError) -> Self {
        let sent = match error {
            // After a panic nobody knows how far the request got.
            ApiError::QueueUnconfirmed { .. } | ApiError::Internal => Sent::Unknown,
            _ => Sent::No,
        };
        Self { error, sent: Some(sent) }
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Self { error, sent: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error.code())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.error.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json").insert_header((CACHE_CONTROL, "no-store"));
        match &self.error {
            ApiError::Unauthenticated => {
                response.insert_header((WWW_AUTHENTICATE, r#"Bearer realm="postrider""#));
            }
            ApiError::MethodNotAllowed(methods) => {
                response.insert_header((ALLOW, *methods));
            }
            // What is left of the body is not read, so nothing else can follow on this connection.
            ApiError::BodyTooLarge(_) | ApiError::RequestTimeout => {
                response.force_close();
            }
            _ => {}
        }
        let retry_after = self.error.retry_after();
        if let Some(seconds) = retry_after {
            response.insert_header((RETRY_AFTER, seconds));
        }
        let body = Body {
            r#type: format!("urn:postrider:problem:{}", self.error.code()),
            title: self.error.title(),
            status: self.status_code().as_u16(),
            detail: &self.error.detail(),
            code: self.error.code(),
            retry_after,
            checks_left: match self.error {
                ApiError::CodeIncorrect { checks_left } => Some(checks_left),
                _ => None,
            },
            sent: self.sent,
            id: match &self.error {
                ApiError::QueueUnconfirmed { id, .. } => Some(id.to_string()),
                _ => None,
            },
        };
        response.body(serde_json::to_string(&body).expect("texts and numbers are JSON"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::body::MessageBody as _;
    use postrider_core::throttle::DeniedBy;
    use postrider_core::verification::VerificationId;
    use serde_json::{Value, json};

    use super::*;

    fn answered(problem: &Problem) -> (HttpResponse, Value) {
        let response = problem.error_response();
        let body = problem.error_response().into_body().try_into_bytes().unwrap();
        (response, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_limit_says_when_to_ask_again_in_the_header_and_in_the_body() {
        let limited =
            ApiError::Limited { by: DeniedBy::Cooldown, retry_after: Duration::from_millis(41_200) };

        let (response, body) = answered(&Problem::of_create(limited));

        assert_eq!(response.status(), 429);
        assert_eq!(response.headers().get("retry-after").unwrap(), "42");
        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
        let expected = json!({
            "type": "urn:postrider:problem:cooldown_active", "title": "The number was sent a code just now",
            "status": 429, "detail": "Nothing was sent. Ask again in 42 s.", "code": "cooldown_active",
            "retry_after": 42, "sent": "no",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn an_unconfirmed_publish_names_the_verification_and_admits_that_it_may_have_been_sent() {
        let id = VerificationId::random();
        let error = ApiError::QueueUnconfirmed { id: id.clone(), retry_after: Duration::from_mins(1) };

        let (response, body) = answered(&Problem::of_create(error));

        assert_eq!(response.status(), 503);
        assert_eq!((&body["id"], &body["sent"]), (&json!(id.to_string()), &json!("unknown")));
    }

    #[test]
    fn only_a_create_says_what_was_sent() {
        let (_, body) = answered(&Problem::from(ApiError::StoreUnavailable));
        assert_eq!(body["sent"], Value::Null);

        let (_, body) = answered(&Problem::of_create(ApiError::StoreUnavailable));
        assert_eq!((&body["sent"], &body["retry_after"]), (&json!("no"), &json!(5)));
    }

    #[test]
    fn a_missing_key_and_a_wrong_method_are_answered_with_their_headers() {
        let (response, _) = answered(&ApiError::Unauthenticated.into());
        assert_eq!(response.headers().get("www-authenticate").unwrap(), r#"Bearer realm="postrider""#);

        let (response, _) = answered(&ApiError::MethodNotAllowed("GET, HEAD").into());
        assert_eq!(response.headers().get("allow").unwrap(), "GET, HEAD");
    }
}
