//! `/healthz`: the process lives. `/readyz`: it can do its work, so send requests here.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde_json::json;

use super::Answer;
use crate::services::{Readiness, Services};

pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).body("ok\n")
}

pub(super) async fn ready(services: Data<Services>) -> Answer {
    let asked: Arc<Services> = services.clone().into_inner();
    let readiness = services.work.run(async move { Ok(asked.readiness().await) }).await?;
    let (Readiness { broker, redis, stopping }, ready) = (readiness, readiness.ready());
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let body = json!({"ready": ready, "broker": broker, "redis": redis, "stopping": stopping});
    Ok(response.insert_header((CACHE_CONTROL, "no-store")).json(body))
}
