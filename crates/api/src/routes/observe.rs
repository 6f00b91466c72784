//! Around every request: its metrics, its log line, and an answer even when a handler panics.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use futures::FutureExt as _;

use super::VERIFICATIONS;
use crate::error::ApiError;
use crate::problem::Problem;

/// The middleware of all routes.
pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // The pattern, never the path: a path may be as long and as secret as its sender likes.
    let route = request.match_pattern().unwrap_or_else(|| "none".into());
    let method = method_name(request.method());
    let began = Instant::now();
    let answer = match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(answer) => answer,
        // The server would close the connection without a word. The panic hook has logged it.
        Err(_) if route == VERIFICATIONS => Err(Problem::of_create(ApiError::Internal).into()),
        Err(_) => Err(Problem::from(ApiError::Internal).into()),
    };
    let status = match &answer {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let took = began.elapsed();
    metrics::counter!(
        "postrider_http_requests_total",
        "route" => route.clone(), "method" => method, "status" => status.as_str().to_owned()
    )
    .increment(1);
    metrics::histogram!("postrider_http_request_seconds", "route" => route.clone(), "method" => method)
        .record(took);
    tracing::debug!(
        http.method = method, http.route = %route, http.status = status.as_u16(),
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    answer
}

/// A client may send any word as its method; a metric has room for the known ones.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
