//! Requests that are wrong before their fields are read: method, path, media type, size, and what is no HTTP at all.

use postrider_tests::{
    api::{Api, ApiSetup, SECRET_KEY},
    worker::Setup,
};
use serde_json::json;

use super::{NUMBER, assert_problem, discard, redis_content, send_raw};

const POST_ROUTES: [&str; 3] =
    ["/v1/verifications", "/v1/verifications/vrf_00000000000000000000000000000000/check", "/v1/checks"];

/// Checks that the api lives, has published and written nothing, and grants a good request.
async fn assert_unharmed(setup: &Setup, api: Api) {
    assert!(redis_content(setup).await.is_empty());
    assert_eq!(setup.amqp().await.ready(&setup.queue).await, Some(0));
    let created = api.create(NUMBER).await;
    assert_eq!(created.status, 201, "{}", created.text);
    api.finish().await;
    assert_eq!(discard(setup).await, 1);
}

#[tokio::test]
async fn a_path_takes_its_methods_only_and_says_which() {
    let setup = Setup::new("methods");
    let api = ApiSetup::new(&setup).start().await;
    let one = "/v1/verifications/vrf_00000000000000000000000000000000";
    let (post, get) = ("POST", "GET, HEAD");

    for (path, allowed) in [
        (POST_ROUTES[0], post),
        (POST_ROUTES[1], post),
        (POST_ROUTES[2], post),
        (one, get),
        ("/healthz", get),
        ("/readyz", get),
        ("/metrics", get),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if allowed.split(", ").any(|known| known == method) {
                continue;
            }
            let answer = api.request(method, path, |request| request.json(&json!({"to": NUMBER}))).await;
            assert_problem(&format!("{method} {path}"), &answer, 405, "method_not_allowed");
            assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        }
    }
    assert_unharmed(&setup, api).await;
}

#[tokio::test]
async fn a_path_that_is_nothing_is_not_found() {
    let setup = Setup::new("paths");
    let api = ApiSetup::new(&setup).start().await;

    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/verifications",
        "/v1/verifications/",
        "/v1//verifications",
        "/v1/verifications/a/b/c",
        "/v1/verifications/vrf_00000000000000000000000000000000/check/",
        "/v1/checks/13800138000",
        "/V1/VERIFICATIONS",
        "/dev/outbox",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/%00",
        "/.env",
    ] {
        for method in ["GET", "POST"] {
            let answer = api.request(method, path, |request| request.json(&json!({"to": NUMBER}))).await;
            assert_problem(&format!("{method} {path}"), &answer, 404, "not_found");
            assert!(!answer.text.contains("13800138000"), "{}", answer.text);
        }
    }
    assert_unharmed(&setup, api).await;
}

#[tokio::test]
async fn only_plain_json_is_read() {
    let setup = Setup::new("media-types");
    let api = ApiSetup::new(&setup).start().await;
    let body = json!({"to": NUMBER, "code": "123456"}).to_string();

    for path in POST_ROUTES {
        for media_type in [
            None,
            Some(""),
            Some("text/plain"),
            Some("text/json"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("application/json-seq"),
            Some("application/problem+json"),
            Some("application/jsonp; application/json"),
        ] {
            let answer = api.post_raw(path, media_type, body.as_bytes()).await;
            assert_problem(&format!("{path} {media_type:?}"), &answer, 415, "unsupported_media_type");
        }
        let packed = api
            .request("POST", path, |request| {
                request
                    .header("content-type", "application/json")
                    .header("content-encoding", "gzip")
                    .body(body.clone())
            })
            .await;
        assert_problem(path, &packed, 415, "unsupported_media_type");
    }
    let written = api.post_raw(POST_ROUTES[0], Some("Application/JSON; charset=utf-8"), "{}").await;
    assert_problem("another way to write it", &written, 422, "invalid_parameter");
    assert_unharmed(&setup, api).await;
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_not_read() {
    let setup = Setup::new("large");
    let api = ApiSetup::new(&setup).start().await;
    let padded = |length: usize| {
        let mut body = json!({"to": "nonsense", "code": "nonsense"}).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        body
    };

    for path in POST_ROUTES {
        for length in [1024 * 1024, 16 * 1024 + 1] {
            let answer = api.post_raw(path, Some("application/json"), padded(length)).await;
            assert_problem(&format!("{path} {length}"), &answer, 413, "body_too_large");
        }
        let largest = api.post_raw(path, Some("application/json"), padded(16 * 1024)).await;
        assert_eq!(largest.status, 422, "{path}: {}", largest.text);
    }
    assert_unharmed(&setup, api).await;
}

#[tokio::test]
async fn a_large_body_without_a_length_is_cut_off_too() {
    let setup = Setup::new("chunks");
    let api = ApiSetup::new(&setup).start().await;
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));

    for path in POST_ROUTES {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {SECRET_KEY}\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let answer = send_raw(&api, format!("{head}{}", chunk.repeat(17)).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{path}: {answer}");
        let broken = send_raw(&api, format!("{head}{chunk}no size\r\n\r\n").as_bytes()).await;
        assert!(broken.starts_with("HTTP/1.1 400 "), "{path}: {broken}");
    }
    assert_unharmed(&setup, api).await;
}

#[tokio::test]
async fn what_is_no_http_gets_a_400_and_harms_nobody() {
    let setup = Setup::new("no-http");
    let api = ApiSetup::new(&setup).start().await;
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X: 13800138000\r\n".repeat(1000));
    let cases: [&[u8]; 6] = [
        b"13800138000\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /v1/checks HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/checks HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: test\r\nBad Header: 1\r\n\r\n",
        many.as_bytes(),
    ];

    for case in cases {
        let shown: String = String::from_utf8_lossy(case).chars().take(60).collect();
        let answer = send_raw(&api, case).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{shown:?}: {answer:?}");
        assert!(!answer.contains("13800138000"), "{shown:?}: {answer}");
    }
    // The rest of a head without an end is not read, so its answer may get lost when the connection closes.
    let endless = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1_000_000));
    let answer = send_raw(&api, endless.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    assert_unharmed(&setup, api).await;
}
