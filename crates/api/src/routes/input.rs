//! Reads what a request holds: its body, as JSON or a form of a bounded size in a bounded time, its query, and the fields
//! that several routes have.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::web::{BytesMut, Payload, Query};
use futures::StreamExt as _;
use postrider_core::code::Code;
use postrider_core::verification::VerificationId;
use uuid::Uuid;

use super::json::Fields;
use crate::auth::App;
use crate::client_ip;
use crate::config::HttpSettings;
use crate::error::ApiError;
use crate::flows::Purpose;

/// The largest body, in bytes. A request is far below it.
const MAX_BODY: usize = 16 * 1024;

/// Reads the fields of a body, all of `known`, within the time.
///
/// The server itself bounds the wait for a head only; a body that comes byte by byte would hold the connection for
/// ever.
pub(super) async fn read(
    request: &HttpRequest,
    body: Payload,
    within: Duration,
    known: &[&str],
) -> Result<Fields, ApiError> {
    if is_plain(request.headers(), "application/json") {
        Fields::parse(&whole(request, body, within).await?, known)
    } else {
        Err(ApiError::UnsupportedMediaType)
    }
}

/// The same, or a form, as a page without a script sends it. What else is in a form is passed over: frameworks put
/// fields of their own into it.
pub(super) async fn read_or_form(
    request: &HttpRequest,
    body: Payload,
    within: Duration,
    known: &[&str],
) -> Result<Fields, ApiError> {
    if !is_plain(request.headers(), "application/x-www-form-urlencoded") {
        return read(request, body, within, known).await;
    }
    let body = whole(request, body, within).await?;
    let text =
        std::str::from_utf8(&body).map_err(|_| ApiError::Malformed("The form is not UTF-8.".into()))?;
    pairs(text, known)
}

/// The parameters behind the path, those of `known`.
pub(super) fn query(request: &HttpRequest, known: &[&str]) -> Result<Fields, ApiError> {
    pairs(request.query_string(), known)
}

/// A field that is there and not blank.
pub(super) fn filled(fields: &mut Fields, name: &str) -> Result<String, ApiError> {
    let text = fields.text(name)?;
    let blank = || ApiError::InvalidParameter(format!("`{name}` is empty."));
    if text.trim().is_empty() { Err(blank()) } else { Ok(text) }
}

/// The id of a picture in the path. What is no id is the path of nothing.
pub(super) fn captcha(request: &HttpRequest) -> Result<Uuid, ApiError> {
    request.match_info().query("uuid").parse().map_err(|_| ApiError::NotFound)
}

fn pairs(text: &str, known: &[&str]) -> Result<Fields, ApiError> {
    let pairs = Query::<Vec<(String, String)>>::from_query(text);
    let pairs =
        pairs.map_err(|_| ApiError::Malformed("The parameters are not name=value&name=value.".into()))?;
    Fields::of_pairs(pairs.into_inner(), known)
}

/// The bytes of a body.
async fn whole(request: &HttpRequest, body: Payload, within: Duration) -> Result<BytesMut, ApiError> {
    let length = header(request.headers(), &CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_BODY as u64) {
        return Err(ApiError::BodyTooLarge(MAX_BODY));
    }
    tokio::time::timeout(within, collect(body)).await.map_err(|_| ApiError::RequestTimeout)?
}

/// The address that a caller without a key comes from.
pub(super) fn address(request: &HttpRequest, http: &HttpSettings) -> Option<IpAddr> {
    let forwarded = request.headers().get_all("x-forwarded-for");
    let forwarded: Vec<&str> = forwarded.map(|value| value.to_str().unwrap_or_default()).collect();
    let peer = request.peer_addr()?.ip();
    Some(client_ip::of_connection(peer, forwarded.into_iter(), &http.trusted_proxies))
}

/// The address whose guesses are counted: that of a caller without a key.
pub(super) fn guesser(app: &App, request: &HttpRequest, http: &HttpSettings) -> Option<IpAddr> {
    if app.authenticated { None } else { address(request, http) }
}

/// What the code is for; it has a default.
pub(super) fn purpose(fields: &mut Fields) -> Result<Purpose, ApiError> {
    let Some(text) = fields.optional_text("purpose")? else { return Ok(Purpose::default()) };
    text.parse().map_err(|_| {
        let rule =
            "`purpose` must be 1 to 32 of a to z, 0 to 9, _ . and -, beginning with a letter or digit.";
        ApiError::InvalidParameter(rule.into())
    })
}

/// A guess. What cannot be a code costs none.
pub(super) fn code(fields: &mut Fields) -> Result<Code, ApiError> {
    let text = fields.text("code")?;
    Code::parse(&text)
        .map_err(|_| ApiError::InvalidParameter("`code` must be a text of six digits, 0 to 9.".into()))
}

/// The id in the path. What is no id is the id of nothing.
pub(super) fn id(request: &HttpRequest) -> Result<VerificationId, ApiError> {
    request.match_info().query("id").parse().map_err(|_| ApiError::VerificationNotFound)
}

async fn collect(mut body: Payload) -> Result<BytesMut, ApiError> {
    let mut collected = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let broken = |_| ApiError::Malformed("The body ended too early or is framed wrongly.".into());
        let chunk = chunk.map_err(broken)?;
        if collected.len() + chunk.len() > MAX_BODY {
            return Err(ApiError::BodyTooLarge(MAX_BODY));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected)
}

fn is_plain(headers: &HeaderMap, expected: &str) -> bool {
    let media_type = header(headers, &CONTENT_TYPE).and_then(|value| value.split(';').next());
    let plain =
        header(headers, &CONTENT_ENCODING).is_none_or(|coding| coding.eq_ignore_ascii_case("identity"));
    plain && media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(expected))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // What is not ASCII is nothing that is known here.
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}
