//! `POST /v1/verifications/{id}/check`: compare a guess with the code of a verification.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::reply::reply;
use super::{Answer, input};
use crate::config::HttpSettings;
use crate::flows::{self, CheckVerification};
use crate::services::Services;

pub(super) async fn check_verification(
    request: HttpRequest,
    body: Payload,
    services: Data<Services>,
    http: Data<HttpSettings>,
) -> Answer {
    let app = services.apps.authenticate(request.headers())?;
    let mut fields = input::read(&request, body, http.request_timeout, &["code"]).await?;
    let code = input::code(&mut fields)?;
    let id = input::id(&request)?;
    let ip = input::guesser(&app, &request, &http);
    let guess = CheckVerification { app, id, code, ip };
    let checked = flows::check_verification(services.clone().into_inner(), guess);
    let verification = services.work.run(checked).await?;
    Ok(reply(HttpResponse::Ok(), verification))
}
