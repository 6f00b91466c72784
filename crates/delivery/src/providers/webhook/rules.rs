//! What a receiver's answer means.
//!
//! 1. The configured rules, in their order: the first that fits counts.
//! 2. The statuses of `success`: taken.
//! 3. What the status means everywhere ([`Class::of_status`]): 429 throttled, 408, 409 and 5xx unknown, 401 and 403
//!    credentials, 404 and redirects config, other 4xx a bug of ours. A 2xx that is no success is unknown.
//!
//! The rules come before `success`, because gateways report refusals with status 200.

use serde_json::Value;

use super::TABLE;
use crate::providers::class::Meaning;
use crate::providers::config::{ProviderConfigError, WebhookConfig, WebhookRule};
use crate::providers::http::Answer;
use crate::providers::{Class, Failure, Outcome, Receipt, SendRequest, redact};

/// The configured rules, read and checked.
#[derive(Debug)]
pub(super) struct Rules {
    ordered: Vec<Rule>,
    success: Vec<Statuses>,
    receipt_field: String,
}

#[derive(Debug)]
struct Rule {
    status: Option<Statuses>,
    field: Option<(String, String)>,
    meaning: Meaning,
}

/// One status, or the hundred that begin with one digit.
#[derive(Debug, PartialEq, Eq)]
struct Statuses {
    first: u16,
    last: u16,
}

impl Rules {
    /// Reads the rules, or names the one that is wrong.
    pub(super) fn parse(config: &WebhookConfig) -> Result<Self, ProviderConfigError> {
        if config.success.is_empty() {
            let reason = "is empty: without a success every message would be sent again";
            return Err(ProviderConfigError::invalid(format!("{TABLE}.success"), reason));
        }
        let success = config.success.iter().enumerate();
        let success =
            success.map(|(index, text)| Statuses::parse(text, || format!("{TABLE}.success[{index}]")));
        let rules = config.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| Rule::parse(rule, &format!("{TABLE}.rules[{index}]")));
        Ok(Self {
            ordered: rules.collect::<Result<_, _>>()?,
            success: success.collect::<Result<_, _>>()?,
            receipt_field: config.receipt_field.clone(),
        })
    }

    /// The outcome of the attempt that was answered so.
    pub(super) fn classify(&self, answer: &Answer, request: &SendRequest) -> Outcome {
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let rule = self.ordered.iter().find(|rule| rule.fits(answer.status, &body));
        let success = || self.success.iter().any(|statuses| statuses.contain(answer.status));
        let meaning = match rule {
            Some(rule) => rule.meaning,
            None if success() => Meaning::Accepted,
            None => Meaning::Failed(Class::of_status(answer.status)),
        };
        let id = scalar(&body, &self.receipt_field);
        let receipt = Receipt { provider_id: id.and_then(|id| redact::identifier(&id, request)) };
        meaning.outcome(request.attempt, receipt, failure(answer, rule))
    }
}

impl Rule {
    fn parse(rule: &WebhookRule, key: &str) -> Result<Self, ProviderConfigError> {
        let status = rule.status.as_deref().map(|text| Statuses::parse(text, || format!("{key}.status")));
        let field = match (&rule.field, &rule.equals) {
            (Some(field), Some(equals)) => Some((field.clone(), equals.clone())),
            (None, None) => None,
            _ => return Err(ProviderConfigError::invalid(key, "needs both field and equals, or neither")),
        };
        if status.is_none() && field.is_none() {
            return Err(ProviderConfigError::invalid(key, "fits every answer: give it a status or a field"));
        }
        let meaning = rule.class.parse().map_err(|unknown| {
            let reason = format!("must be accepted, duplicate_request or a class ({unknown})");
            ProviderConfigError::invalid(format!("{key}.class"), reason)
        })?;
        Ok(Self { status: status.transpose()?, field, meaning })
    }

    fn fits(&self, status: u16, body: &Value) -> bool {
        let status = self.status.as_ref().is_none_or(|statuses| statuses.contain(status));
        let holds = |(field, equals): &(String, String)| scalar(body, field).as_ref() == Some(equals);
        status && self.field.as_ref().is_none_or(holds)
    }
}

impl Statuses {
    fn parse(text: &str, key: impl Fn() -> String) -> Result<Self, ProviderConfigError> {
        let range = match text.strip_suffix("xx") {
            Some(digit) if digit.len() == 1 => {
                digit.parse().ok().map(|digit: u16| (digit * 100, digit * 100 + 99))
            }
            Some(_) => None,
            None => text.parse().ok().map(|status| (status, status)),
        };
        match range {
            Some((first, last)) if (200..=599).contains(&first) => Ok(Self { first, last }),
            _ => Err(ProviderConfigError::invalid(
                key(),
                "must be a status such as 429 or 4xx, from 200 to 599",
            )),
        }
    }

    fn contain(&self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

/// What the answer would be as a failure. The receiver's words are not kept but for the value a rule was written for:
/// nobody knows what else a receiver puts into its answers.
fn failure(answer: &Answer, rule: Option<&Rule>) -> Failure {
    match rule.and_then(|rule| rule.field.as_ref()) {
        Some((field, equals)) => {
            answer.failure(equals.clone(), &format!("the receiver answered {field} = {equals}"))
        }
        None => answer.failure(format!("http_{}", answer.status), "by the status of the receiver's answer"),
    }
}

/// The field's value as text, through objects by dots. Objects, lists and null are no values.
fn scalar(body: &Value, field: &str) -> Option<String> {
    let value = field.split('.').try_fold(body, |value, name| value.get(name))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::double;

    fn rule(status: &str, field: &str, equals: &str, class: &str) -> WebhookRule {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        WebhookRule { status: given(status), field: given(field), equals: given(equals), class: class.into() }
    }

    fn classified(rules: &[WebhookRule], status: u16, body: &str, attempt: u32) -> String {
        let config = WebhookConfig { rules: rules.to_vec(), ..WebhookConfig::default() };
        let answer = Answer { status, retry_after: None, body: body.as_bytes().to_vec() };
        match Rules::parse(&config).unwrap().classify(&answer, &double::request(attempt)) {
            Outcome::Accepted(Receipt { provider_id }) => {
                format!("accepted {}", provider_id.unwrap_or_default())
            }
            Outcome::Rejected(failure) => format!("rejected {} {}", failure.class, failure.code),
            Outcome::Unknown(failure) => format!("unknown {} {}", failure.class, failure.code),
        }
    }

    #[test]
    fn without_rules_the_status_decides() {
        let cases = [
            (200, "{}", "accepted "),
            (202, r#"{"id":42}"#, "accepted 42"),
            (200, r#"{"id":"123456"}"#, "accepted "),
            (204, "", "accepted "),
            (302, "", "rejected config http_302"),
            (400, "", "rejected request_bug http_400"),
            (401, "", "rejected credentials http_401"),
            (404, "", "rejected config http_404"),
            (408, "", "unknown ambiguous http_408"),
            (409, "", "unknown ambiguous http_409"),
            (422, r#"{"code":"blocked"}"#, "rejected request_bug http_422"),
            (429, "", "rejected throttled http_429"),
            (503, "", "unknown ambiguous http_503"),
        ];
        for (status, body, outcome) in cases {
            assert_eq!(classified(&[], status, body, 1), outcome, "{status}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_wholly_comes_before_everything_else() {
        let rules = [
            rule("", "error.code", "blocked", "recipient_blocked"),
            rule("200", "ok", "false", "transient"),
            rule("409", "", "", "duplicate_request"),
            rule("4xx", "", "", "quota"),
            rule("429", "", "", "throttled"),
            rule("503", "", "", "throttled"),
        ];
        let cases = [
            (200, r#"{"error":{"code":"blocked"}}"#, 1, "rejected recipient_blocked blocked"),
            (200, r#"{"error":"blocked"}"#, 1, "accepted "),
            (200, r#"{"ok":false}"#, 1, "rejected transient false"),
            (201, r#"{"ok":false}"#, 1, "accepted "),
            (200, "not json", 1, "accepted "),
            (409, "", 1, "unknown ambiguous http_409"),
            (409, "", 2, "accepted "),
            (429, "", 1, "rejected quota http_429"),
            (503, "", 1, "rejected throttled http_503"),
            (500, "", 1, "unknown ambiguous http_500"),
        ];
        for (status, body, attempt, outcome) in cases {
            assert_eq!(classified(&rules, status, body, attempt), outcome, "{status} {body}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_meant_names_its_key() {
        let problem = |rules: &[WebhookRule], success: &[&str]| {
            let success = success.iter().map(|&text| text.to_owned()).collect();
            let config = WebhookConfig { rules: rules.to_vec(), success, ..WebhookConfig::default() };
            Rules::parse(&config).unwrap_err().to_string()
        };
        let good = rule("429", "", "", "throttled");
        let cases = [
            (rule("42", "", "", "quota"), "providers.webhook.rules[1].status must be a status"),
            (rule("4x", "", "", "quota"), "providers.webhook.rules[1].status must be a status"),
            (rule("xx", "", "", "quota"), "providers.webhook.rules[1].status must be a status"),
            (rule("99999999", "", "", "quota"), "providers.webhook.rules[1].status must be a status"),
            (rule("4xx", "code", "", "quota"), "providers.webhook.rules[1] needs both field and equals"),
            (rule("", "", "", "quota"), "providers.webhook.rules[1] fits every answer"),
            (
                rule("4xx", "", "", "unknown"),
                "providers.webhook.rules[1].class must be accepted, duplicate_request or",
            ),
        ];
        for (rule, expected) in cases {
            let problem = problem(&[good.clone(), rule], &["2xx"]);
            assert!(problem.starts_with(expected), "{problem}");
        }
        assert!(problem(&[], &[]).starts_with("providers.webhook.success is empty"));
        assert!(problem(&[], &["2xx", "yes"]).starts_with("providers.webhook.success[1] must be"));
    }
}
