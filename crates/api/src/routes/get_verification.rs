//! `GET /v1/verifications/{id}`: where a verification stands.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::reply::reply;
use super::{Answer, input};
use crate::flows;
use crate::services::Services;

pub(super) async fn get_verification(request: HttpRequest, services: Data<Services>) -> Answer {
    let app = services.apps.authenticate(request.headers())?;
    let id = input::id(&request)?;
    let found = flows::get_verification(services.clone().into_inner(), app, id);
    let verification = services.work.run(found).await?;
    Ok(reply(HttpResponse::Ok(), verification))
}
