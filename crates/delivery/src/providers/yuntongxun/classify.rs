//! What an answer of YunTongXun means, by the table of its codes.
//!
//! Refusals come with HTTP 200, so the code decides and the status only where there is none.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::providers::class::{Class, Meaning};
use crate::providers::http::Answer;
use crate::providers::{Outcome, Receipt, SendRequest, redact};

const TABLE: &str = include_str!("../../../data/yuntongxun-codes.json");

static MEANINGS: LazyLock<HashMap<&str, Meaning>> =
    LazyLock::new(|| read_table(TABLE).expect("a test reads the table that is compiled in"));

#[derive(Deserialize)]
struct Table<'a> {
    #[serde(borrow)]
    codes: HashMap<&'a str, &'a str>,
}

/// The outcome of the attempt that was answered so.
pub(super) fn classify(answer: &Answer, request: &SendRequest) -> Outcome {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let Some((body, code)) = body.and_then(|body| status_code(&body).map(|code| (body, code))) else {
        return answer.status_failure().into();
    };
    let sid = body.pointer("/templateSMS/smsMessageSid").and_then(Value::as_str);
    let receipt = Receipt { provider_id: sid.and_then(|sid| redact::identifier(sid, request)) };
    let message = body["statusMsg"].as_str().unwrap_or_default();
    meaning(&code, answer.status).outcome(request.attempt, receipt, answer.failure(code, message))
}

fn meaning(code: &str, status: u16) -> Meaning {
    match MEANINGS.get(code) {
        // A proxy's error page does not quote the success code; whoever does, it is not a plain acceptance.
        Some(Meaning::Accepted) if !(200..300).contains(&status) => Meaning::Failed(Class::Ambiguous),
        Some(meaning) => *meaning,
        None => Meaning::Failed(Class::Transient),
    }
}

/// The code as text, should it be one. Anything longer is not a code, and could be anything.
fn status_code(body: &Value) -> Option<String> {
    let code = match &body["statusCode"] {
        Value::String(code) => code.clone(),
        Value::Number(code) => code.to_string(),
        _ => return None,
    };
    let well_formed = (1..=8).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then_some(code)
}

fn read_table(text: &str) -> Result<HashMap<&str, Meaning>, String> {
    let table: Table<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let read = |(code, name): (_, &str)| match name.parse() {
        Ok(meaning) => Ok((code, meaning)),
        Err(error) => Err(format!("{code}: {error}")),
    };
    table.codes.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::double;

    fn classified(status: u16, body: &str, attempt: u32) -> String {
        let answer = Answer { status, retry_after: None, body: body.as_bytes().to_vec() };
        match classify(&answer, &double::request(attempt)) {
            Outcome::Accepted(Receipt { provider_id }) => {
                format!("accepted {}", provider_id.unwrap_or_default())
            }
            Outcome::Rejected(failure) => format!("rejected {} {}", failure.class, failure.code),
            Outcome::Unknown(failure) => format!("unknown {} {}", failure.class, failure.code),
        }
    }

    fn coded(code: &str) -> String {
        format!(r#"{{"statusCode":"{code}","statusMsg":"x"}}"#)
    }

    #[test]
    fn the_table_is_whole() {
        let table = read_table(TABLE).unwrap();

        assert_eq!(table.len(), 195);
        let accepted: Vec<_> = table.iter().filter(|(_, meaning)| **meaning == Meaning::Accepted).collect();
        assert_eq!(accepted, [(&"000000", &Meaning::Accepted)]);
    }

    #[test]
    fn every_code_has_its_class_and_what_no_table_knows_is_transient() {
        let cases = [
            ("160042", "rejected recipient_invalid 160042"),
            ("160034", "rejected recipient_blocked 160034"),
            ("160038", "rejected recipient_limited 160038"),
            ("160049", "rejected content 160049"),
            ("160032", "rejected config 160032"),
            ("160055", "rejected request_bug 160055"),
            ("111109", "rejected credentials 111109"),
            ("111142", "rejected account 111142"),
            ("111111", "rejected throttled 111111"),
            ("160050", "rejected transient 160050"),
            ("999999", "rejected transient 999999"),
            // Made up by the SDK on any error of its own, a timeout among them.
            ("172001", "unknown ambiguous 172001"),
        ];
        for (code, outcome) in cases {
            assert_eq!(classified(200, &coded(code), 1), outcome);
        }
    }

    #[test]
    fn a_duplicate_is_an_acceptance_only_after_an_earlier_attempt() {
        assert_eq!(classified(200, &coded("160054"), 1), "unknown ambiguous 160054");
        assert_eq!(classified(200, &coded("160054"), 2), "accepted ");
        assert_eq!(classified(200, &coded("160054"), 3), "accepted ");
    }

    #[test]
    fn a_code_counts_whatever_the_status_and_the_status_where_there_is_none() {
        let accepted =
            r#"{"statusCode":"000000","templateSMS":{"smsMessageSid":"ff8080813c373cab013c94b0f0512345"}}"#;
        let cases = [
            (200, accepted, "accepted ff8080813c373cab013c94b0f0512345"),
            (200, r#"{"statusCode":"000000"}"#, "accepted "),
            (200, r#"{"statusCode":"000000","templateSMS":{"smsMessageSid":"13800138000"}}"#, "accepted "),
            (502, accepted, "unknown ambiguous 000000"),
            (500, r#"{"statusCode":"160042"}"#, "rejected recipient_invalid 160042"),
            (200, r#"{"statusCode":160042}"#, "rejected recipient_invalid 160042"),
            (200, r#"{"statusCode":"code 123456"}"#, "unknown ambiguous http_200"),
            (200, r#"{"statusCode":null}"#, "unknown ambiguous http_200"),
            (200, r#"["000000"]"#, "unknown ambiguous http_200"),
            (200, "<Response><statusCode>000000</statusCode></Response>", "unknown ambiguous http_200"),
            (200, "", "unknown ambiguous http_200"),
            (500, "", "unknown ambiguous http_500"),
            (429, "", "rejected throttled http_429"),
            (401, "", "rejected credentials http_401"),
            (404, "<html>", "rejected config http_404"),
            (302, "", "rejected config http_302"),
        ];
        for (status, body, outcome) in cases {
            assert_eq!(classified(status, body, 1), outcome, "{status} {body}");
        }
    }
}
