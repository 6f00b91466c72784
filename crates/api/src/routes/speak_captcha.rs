//! `GET /image_codes/{uuid}/audio/`: a picture that waits for its answer, spoken.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{Answer, input};
use crate::config::HttpSettings;
use crate::flows;
use crate::services::Services;

pub(super) async fn speak_captcha(
    request: HttpRequest,
    services: Data<Services>,
    http: Data<HttpSettings>,
) -> Answer {
    let id = input::captcha(&request)?;
    let spoken = flows::speak_captcha(services.clone().into_inner(), id, input::address(&request, &http));
    let sound = services.work.run(spoken).await?;
    let mut response = HttpResponse::Ok();
    Ok(response.content_type("audio/wav").insert_header((CACHE_CONTROL, "no-store")).body(sound))
}
