//! `deploy/nginx` in front of the real api: whose address counts, what is refused, and what stands in no log.

mod server;

use std::{net::SocketAddr, process::Stdio, time::Duration};

use postrider_tests::{
    api::{Api, ApiSetup},
    worker::Setup,
};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use self::server::{NAME, Nginx};

/// Two sends for an address.
const TWO: &str = r#"[{ window = "1h", max = 2 }]"#;
const BEHIND_A_BALANCER: &[(&str, &str)] = &[
    ("# set_real_ip_from 10.0.0.0/24;", "set_real_ip_from 127.0.0.3;"),
    ("# real_ip_header X-Forwarded-For;", "real_ip_header X-Forwarded-For;"),
    ("# real_ip_recursive on;", "real_ip_recursive on;"),
];

async fn api(setup: &Setup) -> Api {
    let trusted = r#"["127.0.0.1/32"]"#;
    ApiSetup::new(setup).open().set("throttle.ip", TWO).set("http.trusted_proxies", trusted).start().await
}

async fn finish(setup: &Setup, api: Api) {
    api.finish().await;
    setup.amqp().await.delete([&setup.queue]).await;
}

#[tokio::test]
async fn two_clients_have_windows_of_their_own_and_a_forged_header_changes_nothing() {
    let setup = Setup::new("nginx");
    let api = api(&setup).await;
    let nginx = Nginx::start(&api.address, &[]).await;
    let (one, two) = (nginx.client([127, 0, 0, 1]), nginx.client([127, 0, 0, 2]));
    let limited = (429, "ip_limit_reached".to_owned());

    assert_eq!(one.create(1, "203.0.113.1").await.0, 201);
    assert_eq!(one.create(2, "203.0.113.2, 127.0.0.1").await.0, 201);
    assert_eq!(one.create(3, "203.0.113.3").await, limited);
    assert_eq!(one.create(3, "127.0.0.2").await, limited);
    assert_eq!(two.create(3, "127.0.0.1").await.0, 201);
    assert_eq!(two.create(4, "").await.0, 201);
    assert_eq!(two.create(5, "203.0.113.5").await, limited);
    finish(&setup, api).await;
}

#[tokio::test]
async fn behind_a_load_balancer_its_word_counts_and_nobody_elses() {
    let setup = Setup::new("balancer");
    let api = api(&setup).await;
    let nginx = Nginx::start(&api.address, BEHIND_A_BALANCER).await;
    let (balancer, other) = (nginx.client([127, 0, 0, 3]), nginx.client([127, 0, 0, 2]));
    let limited = (429, "ip_limit_reached".to_owned());

    for number in [1, 2] {
        assert_eq!(balancer.create(number, &format!("198.51.100.{number}, 203.0.113.7")).await.0, 201);
    }
    assert_eq!(balancer.create(3, "198.51.100.3, 203.0.113.7").await, limited);
    assert_eq!(balancer.create(3, "203.0.113.7, 203.0.113.8").await.0, 201);
    for number in [4, 5] {
        assert_eq!(other.create(number, &format!("203.0.113.{number}")).await.0, 201);
    }
    assert_eq!(other.create(6, "203.0.113.6").await, limited);
    finish(&setup, api).await;
}

#[tokio::test]
async fn what_is_too_large_private_or_slow_is_refused_and_no_log_has_a_number() {
    let setup = Setup::new("refused");
    let api = api(&setup).await;
    let nginx = Nginx::start(&api.address, &[]).await;
    let client = nginx.client([127, 0, 0, 1]);

    let large = |size: usize| client.post(format!("{{\"to\":\"{}\"}}", "1".repeat(size)));
    let (status, problem) = client.send(large(16 * 1024)).await;
    assert_eq!((status, &problem["code"], &problem["sent"]), (413, &json!("body_too_large"), &json!("no")));
    assert_eq!(client.send(large(16 * 1024 - 20)).await.0, 422, "what the api takes, nginx passes on");
    for private in ["/metrics", "/readyz", "/dev/outbox", "/anything"] {
        assert_eq!(client.get(private).await.0, 404, "{private}");
    }
    assert_eq!(client.get("/healthz").await.0, 200);

    // Too many at once, in the words of the tutorial's page, and unlike the page's own files.
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(client.get("/sms_codes/13912345678/?uuid=x&image_code=867530").await);
    }
    assert!(
        answers.iter().any(|(status, body)| (*status, &body["code"]) == (200, &json!("4002"))),
        "{answers:?}"
    );

    // Without TLS a key is not redirected but refused.
    let plain = client.client.get(format!("http://{}/v1/verifications/x", nginx.plain)).send().await.unwrap();
    assert_eq!(plain.status(), 403);
    let page = client.client.get(format!("http://{}/", nginx.plain)).send().await.unwrap();
    assert_eq!(page.status(), 301);

    let whole = format!("GET /healthz HTTP/1.1\r\nHost: {NAME}\r\n\r\n");
    let half = format!("GET /healthz HTTP/1.1\r\nHost: {NAME}\r\nX-Slow: ");
    let body = format!("POST /v1/checks HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 100\r\n\r\n{{");
    for (what, sent) in
        [("half a head", half.clone()), ("half a second head", [whole, half].concat()), ("half a body", body)]
    {
        assert!(is_closed(nginx.tls, &sent).await, "nginx keeps {what} open");
    }

    finish(&setup, api).await;
    // The api is gone: that, too, is written without what was asked.
    assert_eq!(client.get("/sms_codes/13912345678/?uuid=x&image_code=867530").await.0, 502);
    let logs = nginx.logs();
    assert!(logs.contains("GET /sms_codes/... 502"), "{logs}");
    // The last word of a line is how long the api took: it was not asked about the body that is too large.
    assert!(logs.lines().any(|line| line.contains(" 413 ") && line.ends_with(" -")), "{logs}");
    assert!(!logs.contains("13912345678") && !logs.contains("867530"), "{logs}");
}

/// Sends and then waits: whether the connection is closed from the other side.
async fn is_closed(address: SocketAddr, sent: &str) -> bool {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl is there");
    let mut input = client.stdin.take().expect("stdin is piped");
    input.write_all(sent.as_bytes()).await.expect("it reads");
    let closed = timeout(Duration::from_secs(12), client.wait()).await.is_ok();
    drop(input);
    closed
}
