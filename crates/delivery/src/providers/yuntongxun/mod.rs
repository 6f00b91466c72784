//! YunTongXun (容联云通讯): template messages over its REST API, as the tutorial's `CCP().send_template_sms` sends them.
//!
//! 1. `sign` turns a message and an instant into the URL, the headers and the body; it is pure.
//! 2. `http` posts them, once.
//! 3. `classify` reads the answer by the table of codes; it is pure too.
//!
//! The task's id goes along as `reqId`, so that a repetition is refused as a duplicate and an unknown outcome may be
//! tried again.

mod classify;
mod sign;

use async_trait::async_trait;
use postrider_core::clock::Clock;
use postrider_core::phone::PhoneNumber;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use self::sign::{Credentials, Message};
use super::config::{ProviderConfigError, YunTongXunConfig, parse_endpoint, read_secret};
use super::http::HttpClient;
use super::{Outcome, Provider, SendRequest};

const TABLE: &str = "providers.yuntongxun";
/// Longest `reqId` that is sent. The limit (code 160055) is not published; the provider's own message ids have 32.
const REQ_ID_LENGTH: usize = 32;

pub(super) struct YunTongXun {
    base: String,
    credentials: Credentials,
    template_id: String,
    http: HttpClient,
    clock: Clock,
}

impl YunTongXun {
    pub(super) fn new(config: &YunTongXunConfig, clock: Clock) -> Result<Self, ProviderConfigError> {
        let base = parse_endpoint(TABLE, "base_url", &config.base_url, config.allow_http)?;
        if base.query().is_some() {
            return Err(ProviderConfigError::invalid(format!("{TABLE}.base_url"), "must not have a query"));
        }
        let credentials = Credentials {
            account_sid: identifier("account_sid", config.account_sid.as_deref())?,
            auth_token: auth_token(config)?,
            app_id: identifier("app_id", config.app_id.as_deref())?,
        };
        let template_id = identifier("template_id", Some(&config.template_id))?;
        let http = HttpClient::new(TABLE, config.connect_timeout, config.timeout, clock.clone())?;
        let base = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { base, credentials, template_id, http, clock })
    }
}

#[async_trait]
impl Provider for YunTongXun {
    fn name(&self) -> &'static str {
        "yuntongxun"
    }

    fn dedupes(&self) -> bool {
        true
    }

    async fn send(&self, request: &SendRequest) -> Outcome {
        let message = Message {
            to: &dialled(&request.to),
            template_id: &self.template_id,
            datas: &[request.code.expose(), &request.minutes.to_string()],
            req_id: Some(&req_id(&request.id)),
        };
        let signed = sign::sign(&self.base, &self.credentials, &message, self.clock.now());
        match self.http.post(signed.url.as_str(), &signed.headers, signed.body).await {
            Ok(answer) => classify::classify(&answer, request),
            Err(failure) => failure.into(),
        }
    }
}

/// Mainland numbers go without their country code, all others with `00` for the plus sign.
fn dialled(number: &PhoneNumber) -> String {
    number.domestic().replacen('+', "00", 1)
}

/// A UUID without its hyphens. Celery takes any text for a task id; one that is no UUID goes as its hash, which is as
/// steady and always fits.
fn req_id(id: &str) -> String {
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if is_uuid {
        return id.replace('-', "").to_ascii_lowercase();
    }
    let mut hash = hex::encode(Sha256::digest(id));
    hash.truncate(REQ_ID_LENGTH);
    hash
}

/// An id that the console shows. Letters and digits only, since one goes into the URL as it stands.
fn identifier(key: &str, value: Option<&str>) -> Result<String, ProviderConfigError> {
    let invalid = |reason| Err(ProviderConfigError::invalid(format!("{TABLE}.{key}"), reason));
    match value {
        None | Some("") => invalid("is missing: copy it from YunTongXun's console"),
        Some(id) if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(id.to_owned()),
        Some(_) => invalid("must consist of letters and digits"),
    }
}

fn auth_token(config: &YunTongXunConfig) -> Result<SecretString, ProviderConfigError> {
    read_secret(TABLE, "auth_token", config.auth_token.as_ref(), config.auth_token_file.as_deref())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postrider_core::clock::ManualClock;

    use super::*;
    use crate::providers::double::{self, Double};
    use crate::providers::{Class, Failure, Receipt};

    fn provider(base_url: String, timeout: Duration) -> YunTongXun {
        let config = YunTongXunConfig {
            account_sid: Some("acc1".into()),
            auth_token: Some("t0ken".into()),
            app_id: Some("app1".into()),
            base_url,
            timeout,
            connect_timeout: timeout / 2,
            ..YunTongXunConfig::default()
        };
        let now = "2025-12-31T16:00:00Z".parse().unwrap();
        YunTongXun::new(&config, Clock::Manual(ManualClock::new(now))).unwrap()
    }

    async fn answered(status: &str, body: &str, attempt: u32) -> Outcome {
        let double = Double::start().await;
        let provider = provider(double.url("/"), Duration::from_secs(10));
        let request = double::request(attempt);
        tokio::join!(provider.send(&request), double.answer(status, body)).0
    }

    fn unknown(outcome: Outcome) -> Failure {
        let Outcome::Unknown(failure) = outcome else { panic!("{outcome:?}") };
        failure
    }

    #[tokio::test]
    async fn a_message_goes_out_as_the_tutorial_sends_it_and_is_accepted() {
        let double = Double::start().await;
        let provider = provider(double.url("/"), Duration::from_secs(10));
        let request = double::request(1);
        let body = r#"{"statusCode":"000000","templateSMS":{"dateCreated":"20260101000000","smsMessageSid":"ff80"}}"#;

        let (outcome, received) = tokio::join!(provider.send(&request), double.answer("200 OK", body));

        assert_eq!(outcome, Outcome::Accepted(Receipt { provider_id: Some("ff80".into()) }));
        let path = "POST /2013-12-26/Accounts/acc1/SMS/TemplateSMS?sig=";
        assert!(received.line.starts_with(path), "{}", received.line);
        // "acc1:20260101000000": midnight of the new year in Beijing.
        assert_eq!(received.header("authorization"), Some("YWNjMToyMDI2MDEwMTAwMDAwMA=="));
        assert_eq!(received.header("content-type"), Some("application/json;charset=utf-8"));
        let expected = serde_json::json!({
            "to": "13800138000",
            "appId": "app1",
            "templateId": "1",
            "datas": ["123456", "5"],
            "reqId": "5d5fd53c3b854c9fb6b0b6b2f1ac3f5d",
        });
        assert_eq!(received.json(), expected);
    }

    #[tokio::test]
    async fn a_refusal_keeps_the_providers_code_and_shows_no_number() {
        let body = r#"{"statusCode":"160042","statusMsg":"号码13800138000格式有误"}"#;

        let outcome = answered("200 OK", body, 1).await;

        let Outcome::Rejected(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!((failure.class, failure.code.as_str()), (Class::RecipientInvalid, "160042"));
        assert_eq!((failure.message.as_str(), failure.http), ("号码****格式有误", Some(200)));
    }

    #[tokio::test]
    async fn a_repetition_that_is_refused_as_a_duplicate_was_accepted_before() {
        let body = r#"{"statusCode":"160054","statusMsg":"请求重复"}"#;

        assert_eq!(answered("200 OK", body, 2).await, Outcome::Accepted(Receipt::default()));
        assert_eq!(unknown(answered("200 OK", body, 1).await).code, "160054");
    }

    #[tokio::test]
    async fn what_holds_no_code_of_the_provider_is_unknown() {
        assert_eq!(unknown(answered("502 Bad Gateway", "<html>", 1).await).code, "http_502");
        assert_eq!(unknown(answered("200 OK", "<html>", 1).await).code, "http_200");
        assert_eq!(unknown(answered("200 OK", "{}", 1).await).code, "http_200");
    }

    #[tokio::test]
    async fn a_connection_that_fails_is_not_sent_before_the_request_and_unknown_after_it() {
        let request = double::request(1);
        let double = Double::start().await;

        let closed = provider(Double::closed_port().await, Duration::from_secs(10)).send(&request).await;
        let hasty = provider(double.url(""), Duration::from_millis(500));
        let (silence, _) = tokio::join!(hasty.send(&request), double.silence());
        let patient = provider(double.url(""), Duration::from_secs(10));
        let part = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"statusCode\":";
        let (reset, _) = tokio::join!(patient.send(&request), double.reset(part));

        assert!(matches!(closed, Outcome::Rejected(failure) if failure.class == Class::NotSent));
        assert_eq!(unknown(silence).code, "timeout");
        assert_eq!(unknown(reset).code, "interrupted");
    }

    #[test]
    fn a_request_id_is_steady_and_never_longer_than_a_bare_uuid() {
        assert_eq!(req_id("5D5FD53C-3b85-4c9f-b6b0-b6b2f1ac3f5d"), "5d5fd53c3b854c9fb6b0b6b2f1ac3f5d");
        for id in ["", "order-17", "5d5fd53c-3b85-4c9f-b6b0-b6b2f1ac3f5x", &"x".repeat(300)] {
            assert_eq!(req_id(id).len(), REQ_ID_LENGTH, "{id:?}");
        }
        assert_ne!(req_id("a-b"), req_id("ab"));
    }

    #[test]
    fn foreign_numbers_are_dialled_with_two_zeros() {
        let number = |text: &str| PhoneNumber::try_from(text.to_owned()).unwrap();

        assert_eq!(dialled(&number("+8613800138000")), "13800138000");
        assert_eq!(dialled(&number("+447911123456")), "00447911123456");
    }
}
