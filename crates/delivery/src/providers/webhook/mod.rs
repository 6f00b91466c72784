//! A webhook: posts each message as signed JSON to an address of yours, which sends it by whatever means it has.
//!
//! The body is `{id, to, code, minutes, purpose, attempt}` and `text` where a template is configured. `Idempotency-Key`
//! and `webhook-id` hold the task's id, which stays the same on every attempt. The signature is that of Standard
//! Webhooks, so that a receiver can check it with any library for them. What an answer means is configured: see
//! [`rules`].

mod rules;
mod sign;
mod text;

use async_trait::async_trait;
use postrider_core::clock::Clock;
use reqwest::Url;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::rules::Rules;
use self::sign::Secret;
use self::text::Template;
use super::config::{ProviderConfigError, WebhookConfig, parse_endpoint, read_secret};
use super::http::HttpClient;
use super::{Outcome, Provider, SendRequest};

const TABLE: &str = "providers.webhook";

pub(super) struct Webhook {
    url: Url,
    secret: Secret,
    template: Option<Template>,
    rules: Rules,
    idempotent: bool,
    http: HttpClient,
    clock: Clock,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    to: &'a str,
    code: &'a str,
    minutes: u32,
    purpose: &'a str,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Webhook {
    pub(super) fn new(config: &WebhookConfig, clock: Clock) -> Result<Self, ProviderConfigError> {
        let Some(url) = &config.url else {
            return Err(ProviderConfigError::invalid(
                format!("{TABLE}.url"),
                "is missing: where should messages go?",
            ));
        };
        let url = parse_endpoint(TABLE, "url", url, config.allow_http)?;
        let secret = read_secret(TABLE, "secret", config.secret.as_ref(), config.secret_file.as_deref())?;
        Ok(Self {
            url,
            secret: Secret::parse(&secret)?,
            template: config.text.as_deref().map(Template::parse).transpose()?,
            rules: Rules::parse(config)?,
            idempotent: config.idempotent,
            http: HttpClient::new(TABLE, config.connect_timeout, config.timeout, clock.clone())?,
            clock,
        })
    }
}

#[async_trait]
impl Provider for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn dedupes(&self) -> bool {
        self.idempotent
    }

    async fn send(&self, request: &SendRequest) -> Outcome {
        let body = Body {
            id: &request.id,
            to: request.to.e164(),
            code: request.code.expose(),
            minutes: request.minutes,
            purpose: &request.purpose,
            attempt: request.attempt,
            text: self.template.as_ref().map(|template| template.render(request)),
        };
        let body = serde_json::to_vec(&body).expect("a struct of text and numbers always serializes");
        let key = header_key(&request.id);
        let timestamp = self.clock.now().as_second();
        let headers = [
            ("content-type", "application/json".into()),
            ("accept", "application/json".into()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", self.secret.sign(&key, timestamp, &body)),
            ("webhook-id", key.clone()),
            ("idempotency-key", key),
        ];
        match self.http.post(self.url.clone(), &headers, body).await {
            Ok(answer) => self.rules.classify(&answer, request),
            Err(failure) => failure.into(),
        }
    }
}

/// The task's id as a header can hold it and a signature is clear about it: without spaces and full stops. Celery
/// takes any text for an id; what does not fit goes as its hash, which is as steady.
fn header_key(id: &str) -> String {
    let fits = (1..=255).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if fits { id.to_owned() } else { hex::encode(Sha256::digest(id)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postrider_core::clock::ManualClock;
    use serde_json::json;

    use super::*;
    use crate::providers::config::WebhookRule;
    use crate::providers::double::{self, Double};
    use crate::providers::{Class, Receipt};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn config(url: String) -> WebhookConfig {
        let rule = WebhookRule {
            field: Some("code".into()),
            equals: Some("blocked".into()),
            class: "recipient_blocked".into(),
            ..WebhookRule::default()
        };
        WebhookConfig {
            url: Some(url),
            secret: Some(SECRET.into()),
            rules: vec![rule],
            timeout: Duration::from_secs(10),
            ..WebhookConfig::default()
        }
    }

    fn webhook(config: &WebhookConfig) -> Webhook {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        Webhook::new(config, Clock::Manual(ManualClock::new(now))).unwrap()
    }

    async fn answered(status: &str, body: &str) -> Outcome {
        let double = Double::start().await;
        let webhook = webhook(&config(double.url("/")));
        let request = double::request(1);
        tokio::join!(webhook.send(&request), double.answer(status, body)).0
    }

    #[tokio::test]
    async fn a_message_is_posted_as_signed_json_and_accepted() {
        let double = Double::start().await;
        let config = WebhookConfig {
            text: Some("{code} is your code for {minutes} minutes".into()),
            ..config(double.url("/sms?x=1"))
        };
        let request = double::request(3);

        let webhook = webhook(&config);
        let (outcome, received) =
            tokio::join!(webhook.send(&request), double.answer("201 Created", r#"{"id":"m-1"}"#));

        assert_eq!(outcome, Outcome::Accepted(Receipt { provider_id: Some("m-1".into()) }));
        assert_eq!(received.line, "POST /sms?x=1 HTTP/1.1");
        let id = "5d5fd53c-3b85-4c9f-b6b0-b6b2f1ac3f5d";
        let expected = json!({
            "id": id,
            "to": "+8613800138000",
            "code": "123456",
            "minutes": 5,
            "purpose": "login",
            "attempt": 3,
            "text": "123456 is your code for 5 minutes",
        });
        assert_eq!(received.json(), expected);
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!(received.header("idempotency-key"), Some(id));
        assert_eq!(received.header("webhook-id"), Some(id));
        assert_eq!(received.header("webhook-timestamp"), Some("1767323045"));
        let signature = Secret::parse(&SECRET.into()).unwrap().sign(id, 1_767_323_045, &received.body);
        assert_eq!(received.header("webhook-signature"), Some(signature.as_str()));
    }

    #[tokio::test]
    async fn answers_are_read_by_the_rules_and_redirects_are_not_followed() {
        let blocked = answered("422 No", r#"{"code":"blocked"}"#).await;
        let busy = answered("429 Slow\r\nRetry-After: 3", "").await;
        let broken = answered("500 Oops", r#"{"detail":"no"}"#).await;
        let moved = answered("307 There\r\nLocation: http://127.0.0.1:1/", "").await;
        let odd = answered("200 OK", "<html>").await;

        assert!(matches!(blocked, Outcome::Rejected(failure) if failure.class == Class::RecipientBlocked));
        let wait = Some(Duration::from_secs(3));
        assert!(matches!(busy, Outcome::Rejected(f) if f.class == Class::Throttled && f.retry_after == wait));
        assert!(matches!(broken, Outcome::Unknown(failure) if failure.http == Some(500)));
        assert!(matches!(moved, Outcome::Rejected(failure) if failure.class == Class::Config));
        assert_eq!(odd, Outcome::Accepted(Receipt::default()));
    }

    #[tokio::test]
    async fn a_connection_that_fails_is_not_sent_before_the_request_and_unknown_after_it() {
        let request = double::request(1);
        let double = Double::start().await;
        let hasty = Duration::from_millis(500);
        let hasty = WebhookConfig { connect_timeout: hasty / 2, timeout: hasty, ..config(double.url("")) };

        let closed = webhook(&config(Double::closed_port().await)).send(&request).await;
        let hasty = webhook(&hasty);
        let (silence, _) = tokio::join!(hasty.send(&request), double.silence());
        let patient = webhook(&config(double.url("")));
        let (reset, _) = tokio::join!(patient.send(&request), double.reset(b"HTTP/1.1 200 OK\r\n"));

        assert!(matches!(closed, Outcome::Rejected(failure) if failure.class == Class::NotSent));
        assert!(matches!(silence, Outcome::Unknown(failure) if failure.code == "timeout"));
        assert!(matches!(reset, Outcome::Unknown(failure) if failure.code == "interrupted"));
    }

    #[test]
    fn an_id_that_no_header_can_hold_goes_as_its_hash() {
        assert_eq!(header_key("order_17-a"), "order_17-a");
        for id in ["", "a.b", "two words", "号", "a\r\nx: y", &"x".repeat(256)] {
            assert_eq!(header_key(id).len(), 64, "{id:?}");
        }
    }

    #[test]
    fn it_dedupes_only_where_the_receiver_is_said_to() {
        let url = "https://sms.example".to_owned();

        assert!(!webhook(&config(url.clone())).dedupes());
        assert!(webhook(&WebhookConfig { idempotent: true, ..config(url) }).dedupes());
    }
}
