//! `POST /v1/checks`: compare a guess with the newest code of a number, for callers that kept no id.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use postrider_core::phone::PhoneNumber;

use super::reply::reply;
use super::{Answer, input};
use crate::config::HttpSettings;
use crate::error::ApiError;
use crate::flows::{self, CheckCode};
use crate::services::Services;

pub(super) async fn check_code(
    request: HttpRequest,
    body: Payload,
    services: Data<Services>,
    http: Data<HttpSettings>,
) -> Answer {
    let app = services.apps.authenticate(request.headers())?;
    let mut fields = input::read(&request, body, http.request_timeout, &["to", "purpose", "code"]).await?;
    let to = fields.text("to")?;
    let to = PhoneNumber::parse(&to, app.default_region, &services.phone).map_err(ApiError::from)?;
    let purpose = input::purpose(&mut fields)?;
    let code = input::code(&mut fields)?;
    let ip = input::guesser(&app, &request, &http);
    let guess = CheckCode { app, to, purpose, code, ip };
    let checked = flows::check_code(services.clone().into_inner(), guess);
    let verification = services.work.run(checked).await?;
    Ok(reply(HttpResponse::Ok(), verification))
}
