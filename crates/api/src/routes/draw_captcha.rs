//! `GET /image_codes/{uuid}/`: a picture, drawn anew each time, under an id that the page made up.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{Answer, input};
use crate::config::HttpSettings;
use crate::flows;
use crate::services::Services;

pub(super) async fn draw_captcha(
    request: HttpRequest,
    services: Data<Services>,
    http: Data<HttpSettings>,
) -> Answer {
    let id = input::captcha(&request)?;
    let drawn = flows::draw_captcha(services.clone().into_inner(), id, input::address(&request, &http));
    let picture = services.work.run(drawn).await?;
    let mut response = HttpResponse::Ok();
    Ok(response.content_type("image/png").insert_header((CACHE_CONTROL, "no-store")).body(picture))
}
