//! Alive, ready, measured, and stopped in order.

use std::time::Duration;

use postrider_tests::{
    api::{Answer, Api, ApiSetup, SECRET_KEY},
    servers::{eventually, free_port},
    worker::{PATIENCE, Setup, ended},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{NUMBER, SOON, assert_problem, check_number, create_for, discard, look};

#[tokio::test]
async fn a_service_that_can_work_is_alive_and_ready() {
    let setup = Setup::new("ready");
    let api = ApiSetup::new(&setup).start().await;

    let (alive, ready) = (api.get("/healthz").await, api.get("/readyz").await);

    assert_eq!((alive.status, alive.text.as_str()), (200, "ok\n"));
    assert_eq!(ready.body, json!({"ready": true, "broker": true, "redis": true, "stopping": false}));
    for answer in [&alive, &ready] {
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        let head = api.request("HEAD", path, |request| request).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
    api.finish().await;
    discard(&setup).await;
}

#[tokio::test]
async fn the_metrics_count_what_happened_and_name_nobody() {
    let setup = Setup::new("metrics");
    let api = ApiSetup::new(&setup).start().await;
    let created = create_for(&api, NUMBER, "203.0.113.7").await;
    api.create(NUMBER).await;
    api.check(created.id(), "123456").await;
    check_number(&api, NUMBER, "123457").await;
    look(&api, created.id()).await;
    api.get("/13800138000/203.0.113.7").await;
    api.request("FROB13800138000", "/v1/checks", |request| request).await;

    let metrics = api.get("/metrics").await;

    assert_eq!(metrics.status, 200);
    assert!(
        metrics.headers["content-type"].starts_with("text/plain; version=0.0.4"),
        "{:?}",
        metrics.headers
    );
    for line in [
        r#"postrider_http_requests_total{route="/v1/verifications",method="POST",status="201"} 1"#,
        r#"postrider_http_requests_total{route="/v1/verifications",method="POST",status="429"} 1"#,
        r#"postrider_http_requests_total{route="/v1/verifications/{id}",method="GET",status="200"} 1"#,
        r#"postrider_http_requests_total{route="none",method="GET",status="404"} 1"#,
        r#"postrider_http_requests_total{route="/v1/checks",method="other",status="405"} 1"#,
        r#"postrider_verifications_total{outcome="created"} 1"#,
        r#"postrider_checks_total{verdict="incorrect"} 2"#,
        r#"postrider_verifications_total{outcome="cooldown_active"} 1"#,
        "# TYPE postrider_http_request_seconds histogram",
        "# TYPE postrider_published_total counter",
    ] {
        assert!(metrics.text.lines().any(|known| known == line), "{line} in {}", metrics.text);
    }
    for private in ["13800138000", "+86138", "203.0.113.7", created.id(), "FROB", "shop"] {
        assert!(!metrics.text.contains(private), "{private} in {}", metrics.text);
    }
    api.finish().await;
    assert_eq!(discard(&setup).await, 1);
}

#[tokio::test]
async fn without_its_servers_it_starts_and_says_that_it_cannot_work() {
    let setup = Setup::new("no-servers");
    let amqp = format!("amqp://guest:guest@127.0.0.1:{}/%2f", free_port());
    let redis = format!("redis://127.0.0.1:{}/0", free_port());
    let neither = ApiSetup::new(&setup).text("amqp.url", &amqp).text("redis.url", &redis).listening().await;
    let without_broker = ApiSetup::new(&setup).text("amqp.url", &amqp).listening().await;

    let ready = neither.get("/readyz").await;
    let unchecked = check_number(&neither, NUMBER, "123456").await;

    assert_eq!(neither.get("/healthz").await.status, 200);
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body, json!({"ready": false, "broker": false, "redis": false, "stopping": false}));
    assert_problem("a check", &unchecked, 503, "store_unavailable");
    for (api, code) in [(neither, "store_unavailable"), (without_broker, "queue_unavailable")] {
        let refused = api.create(NUMBER).await;
        assert_problem("a create", &refused, 503, code);
        assert_eq!((refused.text_of("sent"), refused.body["retry_after"].is_u64()), ("no", true));
        assert_eq!(api.get("/readyz").await.status, 503);
        assert_problem("bad input", &api.create("nonsense").await, 422, "invalid_phone_number");
        api.finish().await;
    }
    assert!(super::redis_content(&setup).await.is_empty());
}

/// The head and the first half of a request, on a connection that stays open.
async fn begin(api: &Api, head: &str, half: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&api.address).await.expect("the api listens");
    stream.write_all(format!("{head}\r\n\r\n{half}").as_bytes()).await.expect("the api reads");
    stream
}

/// Whether a new connection is refused.
async fn is_closed(api: &Api) -> bool {
    TcpStream::connect(&api.address).await.is_err()
}

#[tokio::test]
async fn when_it_stops_it_is_first_not_ready_then_closes_the_port_and_finishes_what_runs() {
    let setup = Setup::new("stopping");
    let mut api = ApiSetup::new(&setup)
        .text("http.drain_delay", "3s")
        .text("http.request_timeout", "20s")
        .text("http.shutdown_timeout", "20s")
        .start()
        .await;
    let body = json!({"to": NUMBER, "purpose": "login"}).to_string();
    let (half, rest) = body.split_at(10);
    let head = format!(
        "POST /v1/verifications HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close",
        body.len()
    );
    let mut running = begin(&api, &head, half).await;
    assert_eq!(api.get("/readyz").await.status, 200);

    api.process.sigterm();
    let mut told: Option<Answer> = None;
    eventually(SOON, async || {
        let ready = api.get("/readyz").await;
        told = (ready.status == 503).then_some(ready);
        told.is_some()
    })
    .await;
    let meanwhile = api.create("+8613800138001").await;
    assert!(eventually(SOON, async || is_closed(&api).await).await, "{}", api.process.log());
    assert!(api.process.is_running(), "a request still runs");
    running.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    running.read_to_string(&mut answer).await.unwrap();

    let told = told.expect("a 503 of readyz before the port closes");
    assert_eq!(told.body["stopping"], true, "{}", told.text);
    assert_eq!(meanwhile.status, 201, "the port is open for who has not seen it yet: {}", meanwhile.text);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let output = ended(api.process).await;
    assert_eq!(output.status.code(), Some(0), "{}", output.text);
    assert!(output.text.contains("postrider-api has stopped"), "{}", output.text);
    assert_eq!(discard(&setup).await, 2);
}

#[tokio::test]
async fn a_second_signal_and_a_slow_request_do_not_hold_the_process() {
    let setup = Setup::new("impatient");
    let api = ApiSetup::new(&setup)
        .text("http.request_timeout", "60s")
        .text("http.shutdown_timeout", "60s")
        .start()
        .await;
    let head = format!(
        "POST /v1/checks HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 100"
    );
    let _slow = begin(&api, &head, "{").await;
    assert_eq!(api.get("/healthz").await.status, 200);
    let Api { mut process, .. } = api;

    process.sigterm();
    process.wait_for_line(|line| line.contains("a second signal stops at once"), PATIENCE).await;
    process.sigterm();

    let status = process.wait(Duration::from_secs(30)).await;
    assert_eq!(status.code(), Some(0), "{}", process.log());
    discard(&setup).await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let setup = Setup::new("slow-body");
    let api = ApiSetup::new(&setup).text("http.request_timeout", "300ms").start().await;
    let head = format!(
        "POST /v1/verifications HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: 100"
    );

    let mut slow = begin(&api, &head, "{\"to\":").await;
    let mut answer = String::new();
    let read = tokio::time::timeout(SOON, slow.read_to_string(&mut answer)).await;

    read.expect("the api does not wait for ever").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
    api.finish().await;
    assert_eq!(discard(&setup).await, 0);
}
