//! The requests for a code: ours, and the tutorial's view.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};

use super::load::Target;

/// The secret key of the one app.
pub(crate) const SECRET_KEY: &str = "prk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
/// The first number. All of them are mobile numbers of mainland China.
pub(crate) const FIRST: u64 = 13_000_000_000;

/// `POST /v1/verifications`, each for another number.
pub(crate) fn verifications(address: SocketAddr) -> Target {
    let request = move |number: u64| {
        let body = format!(r#"{{"to":"+86{}","purpose":"login"}}"#, FIRST + number);
        Request::post("/v1/verifications")
            .header(HOST, address.to_string())
            .header(AUTHORIZATION, format!("Bearer {SECRET_KEY}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("the parts are those of a request")
    };
    let created = |answer: &Response<Bytes>| answer.status() == StatusCode::CREATED;
    Target { address, request: Arc::new(request), accepts: created, next: Arc::new(AtomicU64::new(0)) }
}

/// `GET /sms_codes/{mobile}/` of the tutorial, which answers 200 whatever happened and says it in the body.
pub(crate) fn sms_codes(address: SocketAddr) -> Target {
    let request = move |number: u64| {
        Request::get(format!("/sms_codes/{}/", FIRST + number))
            .header(HOST, address.to_string())
            .body(Full::default())
            .expect("the parts are those of a request")
    };
    let sent = |answer: &Response<Bytes>| {
        answer.status() == StatusCode::OK && answer.body().windows(11).any(|part| part == br#""code": "0""#)
    };
    Target { address, request: Arc::new(request), accepts: sent, next: Arc::new(AtomicU64::new(0)) }
}
