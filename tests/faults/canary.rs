//! During a live verification, neither the code nor the whole number is anywhere but with the provider.

use std::fmt::Write as _;

use deadpool_redis::redis::{Client, cmd};
use postrider_tests::{
    api::{Api, ApiSetup},
    provider::{Answer, Provider},
    servers::{Proc, RabbitMq, Redis},
    worker::{PATIENCE, Setup},
};
use serde_json::json;

pub(super) const NUMBER: &str = "+8613912345678";
pub(super) const NATIONAL: &str = "13912345678";

/// Everything in a Redis, as text: keys, and the dump of each value.
pub(super) async fn redis_content(url: &str) -> String {
    let client = Client::open(url).expect("a good address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection).await.expect("Redis answers");
    assert!(keys.len() >= 3, "a live verification has left {keys:?}");
    let mut content = String::new();
    for key in keys {
        let kind: String = cmd("TYPE").arg(&key).query_async(&mut connection).await.expect("Redis answers");
        let read = match kind.as_str() {
            "hash" => cmd("HGETALL").arg(&key).to_owned(),
            "zset" => cmd("ZRANGE").arg(&key).arg(0).arg(-1).to_owned(),
            _ => cmd("GET").arg(&key).to_owned(),
        };
        let value: deadpool_redis::redis::Value =
            read.query_async(&mut connection).await.expect("Redis answers");
        writeln!(content, "{key} {}", shown(&value)).expect("a text takes all");
    }
    content
}

/// Bytes as text, whatever they are.
fn shown(value: &deadpool_redis::redis::Value) -> String {
    use deadpool_redis::redis::Value;
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Map(pairs) => {
            pairs.iter().map(|(k, v)| format!("{} {}", shown(k), shown(v))).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

/// Whether the code stands somewhere as a number of its own: six digits inside a longer run of digits or of hex, such as
/// an instant or a hash, are chance.
fn holds_code(text: &str, code: &str) -> bool {
    text.match_indices(code).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + code.len()..].chars().next();
        let apart = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_hexdigit() && c != '.');
        apart(before) && apart(after)
    })
}

pub(super) fn assert_clean(place: &str, text: &str, code: &str) {
    assert!(!text.contains(NATIONAL), "{place} holds the number:\n{text}");
    assert!(!holds_code(text, code), "{place} holds the code {code}:\n{text}");
}

/// What both processes say and show.
pub(super) async fn talk(api: &Api, worker: &Proc, metrics: &str) -> String {
    let shown = reqwest::get(format!("http://{metrics}/metrics")).await.expect("the worker shows metrics");
    let worker_metrics = shown.text().await.expect("text");
    format!("{}\n{}\n{}\n{worker_metrics}", api.process.log(), worker.log(), api.get("/metrics").await.text)
}

/// Provokes errors whose texts might quote what was sent.
async fn errors(api: &Api, id: &str, code: &str) -> String {
    let mut texts = Vec::new();
    for body in [
        json!({"to": NUMBER, "purpose": "login"}),
        json!({"to": format!("{NUMBER}9999"), "purpose": "login"}),
        json!({"to": NUMBER, "purpose": code}),
        json!({"to": NUMBER, "code": code}),
        json!({"to": {"number": NUMBER}}),
        json!([NUMBER, code]),
    ] {
        texts.push(api.post("/v1/verifications", &body).await.text);
        texts.push(api.post("/v1/checks", &body).await.text);
    }
    for guess in [format!("{code}0"), code.replace(|c: char| c.is_ascii_digit(), "x")] {
        texts.push(api.check(id, &guess).await.text);
    }
    texts.push(api.get(&format!("/v1/verifications/{NATIONAL}")).await.text);
    texts.join("\n")
}

async fn live_verification(payload: &str) {
    let (rabbitmq, redis) = tokio::join!(RabbitMq::start(), Redis::start());
    // The first attempt fails, so that retry, ladder and error texts are part of it.
    let mut attempts = 0;
    let provider = Provider::answering(move |_| {
        attempts += 1;
        if attempts == 1 { Answer::status(429) } else { Answer::taken() }
    })
    .await;
    let metrics = format!("127.0.0.1:{}", postrider_tests::servers::free_port());
    let setup = Setup::new("canary")
        .broker(&rabbitmq.url())
        .redis(&redis.url())
        .provider(&provider)
        .text("metrics.listen", &metrics)
        .text("log.level", "trace");
    let api = ApiSetup::new(&setup).text("queue.payload", payload).text("log.level", "trace").start().await;

    // The message while it waits: no worker runs yet.
    let created = api.create(NUMBER).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let amqp = setup.amqp().await;
    let waiting = amqp.browse(&setup.queue).await;
    let message = format!("{:?} {}", waiting[0].properties, String::from_utf8_lossy(&waiting[0].body));
    let worker = setup.start().await;
    let code = provider.wait_for(2, PATIENCE).await[1].code.clone();
    let problems = errors(&api, created.id(), &code).await;

    if payload == "sealed" {
        assert_clean("the queue", &message, &code);
    } else {
        assert!(message.contains(NATIONAL), "a clear queue is for Python to read: {message}");
    }
    assert_clean("Redis", &redis_content(&setup.redis_url).await, &code);
    assert_clean("a log or metric", &talk(&api, &worker, &metrics).await, &code);
    assert_clean("an answer", &format!("{}{problems}", created.text), &code);
    assert_eq!(api.check(created.id(), &code).await.status, 200, "{problems}");
    setup.finish(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_sealed_queue_no_key_queue_log_line_metric_or_error_holds_the_code_or_the_number() {
    live_verification("sealed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_clear_queue_the_message_alone_holds_them() {
    live_verification("clear").await;
}
