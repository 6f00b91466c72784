//! Bad bodies on every POST route: a clear 4xx that says nothing of what was sent, and nothing else happens.

mod values;

use postrider_tests::{
    api::{Answer, Api, ApiSetup},
    worker::Setup,
};
use serde_json::{Value, json};

use super::{assert_problem, discard, look};

const CREATE: &str = "/v1/verifications";
const CHECK_CODE: &str = "/v1/checks";

/// The number of the bad requests, which is good, and free when they are over.
const GOOD: &str = "+8613711223344";

/// A secret that may be in no answer and in no log line.
const CANARY: &str = "s3cretvalue";

/// What an api was fed, and a verification whose guesses must all be left.
struct Fed {
    setup: Setup,
    api: Api,
    id: String,
}

impl Fed {
    async fn start(test: &str) -> Self {
        let setup = Setup::new(test);
        let api = ApiSetup::new(&setup).start().await;
        let id = api.create("+8613900139000").await.id().to_owned();
        Self { setup, api, id }
    }

    /// The POST routes, each with a body that it takes but for what a test changes.
    fn routes(&self) -> [(String, Value); 3] {
        [
            (CREATE.into(), json!({"to": GOOD, "purpose": "login", "signals": {"ip": "203.0.113.7"}})),
            (format!("{CREATE}/{}/check", self.id), json!({"code": "654321"})),
            (CHECK_CODE.into(), json!({"to": "+8613900139000", "purpose": "login", "code": "654321"})),
        ]
    }

    async fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.api.post_raw(path, Some("application/json"), body).await
    }

    /// Checks that the api lives, has spent nothing, and grants the good request.
    async fn end(self) {
        let seen = look(&self.api, &self.id).await;
        assert_eq!(
            (seen.text_of("status"), &seen.body["checks_left"]),
            ("pending", &json!(5)),
            "{}",
            seen.text
        );
        let amqp = self.setup.amqp().await;
        assert_eq!(amqp.ready(&self.setup.queue).await, Some(1), "only the good request was published");
        let created = self.api.create(GOOD).await;
        assert_eq!(created.status, 201, "a bad request took a slot of the throttle: {}", created.text);
        let log = self.api.finish().await;
        assert!(!log.contains("13711223344") && !log.contains(CANARY) && !log.contains("654321"), "{log}");
        assert_eq!(discard(&self.setup).await, 2);
    }
}

/// Checks a refusal: its status and code, that nothing was sent, and that it quotes nothing.
fn assert_refused(path: &str, body: &[u8], answer: &Answer, status: u16, code: &str) {
    let shown: String = String::from_utf8_lossy(body).chars().take(200).collect();
    let what = format!("{path} {shown:?}");
    assert_problem(&what, answer, status, code);
    let sent = if path == CREATE { json!("no") } else { Value::Null };
    assert_eq!(answer.body["sent"], sent, "{what}: {}", answer.text);
    for private in ["13711223344", "13900139000", "654321", "１３８", CANARY] {
        assert!(!answer.text.contains(private), "{what}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_of_known_fields_is_refused_by_every_route() {
    let fed = Fed::start("bodies").await;
    let deep = format!("{}1{}", "[".repeat(8000), "]".repeat(8000));
    let deep_objects = format!("{}1{}", "{\"to\":".repeat(2000), "}".repeat(2000));
    let malformed: [&[u8]; 14] = [
        b"",
        b" ",
        b"to=13711223344",
        b"{",
        b"{\"to\":",
        b"{\"to\": \"+8613711223344\"} x",
        b"{\"to\": \"+8613711223344\"}{}",
        b"{'to': '+8613711223344'}",
        b"{\"to\": \"+86138\n00138000\"}",
        b"{\"to\": \"+8613711223344\xff\"}",
        b"\xef\xbb\xbf{\"to\": \"+8613711223344\"}",
        b"{\"to\": \"\\ud800\"}",
        b"\0\0\0\0",
        deep_objects.as_bytes(),
    ];
    let wrong: [&[u8]; 13] = [
        deep.as_bytes(),
        b"null",
        b"[]",
        b"13711223344",
        b"\"s3cretvalue\"",
        b"true",
        b"[{\"to\": \"+8613711223344\"}]",
        b"{}",
        b"{\"s3cretvalue\": 1}",
        b"{\"13711223344\": 1}",
        b"{\"\": \"654321\"}",
        b"{\"To\": \"+8613711223344\", \"Code\": \"654321\"}",
        b"{\"code\": \"654321\", \"code\": \"654321\"}",
    ];

    for (path, _) in fed.routes() {
        for body in malformed {
            assert_refused(&path, body, &fed.post(&path, body).await, 400, "malformed_request");
        }
        for body in wrong {
            assert_refused_or_named(&path, body, &fed.post(&path, body).await);
        }
    }
    fed.end().await;
}

/// The name of a field that is only letters is told, so that a typing mistake is found; it is no value.
fn assert_refused_or_named(path: &str, body: &[u8], answer: &Answer) {
    let named = answer.text.replace(&format!("`{CANARY}`"), "");
    assert_refused(path, body, &Answer { text: named, ..answer.clone() }, 422, "invalid_parameter");
}
