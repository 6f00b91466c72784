//! The producer through HTTP and its command line: the real binaries on the shared servers, and a provider double.
//!
//! Each test has a queue and a key prefix of its own. What it leaves in the queue is counted and thrown away by
//! [`discard`], or consumed by a worker.

mod access;
mod addresses;
mod bad_input;
mod bad_requests;
mod clear_queue;
mod concurrent_checks;
mod config;
mod health;
mod key_files;
mod limits;
mod main_job;
mod numbers;
mod queue_refuses;
mod refused_starts;
mod shop;
mod standalone;
mod without_an_id;

use std::{collections::BTreeMap, time::Duration};

use deadpool_redis::redis::{Client, cmd};
use postrider_tests::{
    api::{Answer, Api},
    worker::Setup,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Far above what an answer takes, for a machine that is busy.
const SOON: Duration = Duration::from_secs(20);

/// The number of most tests, in E.164 form.
const NUMBER: &str = "+8613800138000";

/// Looks at a verification.
async fn look(api: &Api, id: &str) -> Answer {
    api.get(&format!("/v1/verifications/{id}")).await
}

/// Checks a code for `login` by the number.
async fn check_number(api: &Api, to: &str, code: &str) -> Answer {
    api.post("/v1/checks", &json!({"to": to, "purpose": "login", "code": code})).await
}

/// Asks for a code for `login`, and says whose address it is for.
async fn create_for(api: &Api, to: &str, ip: &str) -> Answer {
    api.post("/v1/verifications", &json!({"to": to, "purpose": "login", "signals": {"ip": ip}})).await
}

/// Asks with a key, or without one, for an api that adds none by itself.
async fn post_as(api: &Api, key: &str, path: &str, body: &serde_json::Value) -> Answer {
    api.request("POST", path, |request| request.bearer_auth(key).json(body)).await
}

/// What a configuration keeps of a secret key.
fn hash(key: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(key)))
}

/// A code that is not this one, a different one for each `step` below a million.
fn wrong(code: &str, step: u32) -> String {
    let code: u32 = code.parse().expect("six digits");
    format!("{:06}", (code + step) % 1_000_000)
}

/// Checks that an answer is a problem of RFC 9457 with this status and code.
fn assert_problem(what: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{what}: {answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
    assert_eq!(answer.body["status"], status, "{what}: {}", answer.text);
    assert_eq!(answer.text_of("type"), format!("urn:postrider:problem:{code}"), "{what}");
    assert!(!answer.text_of("title").is_empty() && !answer.text_of("detail").is_empty(), "{what}");
    let wait = answer.headers.get("retry-after").map(|wait| wait.parse().expect("seconds"));
    assert_eq!(answer.body["retry_after"].as_u64(), wait, "{what}: {answer:?}");
}

/// Checks that an answer says that it sends no SMS, why, and when to ask again.
fn assert_limited(what: &str, answer: &Answer, code: &str, longest: u64) {
    assert_problem(what, answer, 429, code);
    assert_eq!(answer.text_of("sent"), "no", "{what}: {}", answer.text);
    let wait = answer.body["retry_after"].as_u64().expect("checked above with its header");
    assert!((1..=longest).contains(&wait), "{what}: {}", answer.text);
}

/// Throws away the setup's queue. Returns how many messages were in it.
async fn discard(setup: &Setup) -> u32 {
    let amqp = setup.amqp().await;
    let published = amqp.ready(&setup.queue).await.expect("the api has declared it");
    amqp.delete([&setup.queue]).await;
    published
}

/// Every key of a setup in Redis, with the dump of its value.
async fn redis_content(setup: &Setup) -> BTreeMap<String, Vec<u8>> {
    let client = Client::open(setup.redis_url.as_str()).expect("a good address");
    let mut redis = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let pattern = format!("{}:*", setup.prefix);
    let keys: Vec<String> = cmd("KEYS").arg(&pattern).query_async(&mut redis).await.expect("Redis answers");
    let mut content = BTreeMap::new();
    for key in keys {
        let value: Vec<u8> = cmd("DUMP").arg(&key).query_async(&mut redis).await.expect("Redis answers");
        content.insert(key, value);
    }
    content
}

/// Sends bytes that no HTTP client would, and no more after them. Returns all that the api answers.
async fn send_raw(api: &Api, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&api.address).await.expect("the api listens");
    // The api may close the connection before it has read all.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    let _ =
        read.unwrap_or_else(|_| panic!("the connection stays open: {}", String::from_utf8_lossy(&answer)));
    String::from_utf8_lossy(&answer).into_owned()
}
