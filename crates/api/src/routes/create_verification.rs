//! `POST /v1/verifications`: send a code to a number.

use std::net::IpAddr;

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use postrider_core::phone::PhoneNumber;

use super::reply::reply;
use super::{Answer, VERIFICATIONS, input, json::Fields};
use crate::client_ip;
use crate::config::HttpSettings;
use crate::error::ApiError;
use crate::flows::{self, CreateVerification};
use crate::problem::Problem;
use crate::services::Services;

pub(super) async fn create_verification(
    request: HttpRequest,
    body: Payload,
    services: Data<Services>,
    http: Data<HttpSettings>,
) -> Answer {
    let asked = asked(&request, body, &services, &http).await.inspect_err(|error| flows::count(error.code()));
    let created = match asked {
        Ok(asked) => {
            // It has kilobytes, which each future around it would move again.
            let flow = Box::pin(flows::create_verification(services.clone().into_inner(), asked));
            services.work.run(flow).await
        }
        Err(error) => Err(error),
    };
    let verification = created.map_err(Problem::of_create)?;
    let mut response = HttpResponse::Created();
    response.insert_header((LOCATION, format!("{VERIFICATIONS}/{}", verification.id)));
    Ok(reply(response, verification))
}

async fn asked(
    request: &HttpRequest,
    body: Payload,
    services: &Services,
    http: &HttpSettings,
) -> Result<CreateVerification, ApiError> {
    let app = services.apps.authenticate(request.headers())?;
    let mut fields = input::read(request, body, http.request_timeout, &["to", "purpose", "signals"]).await?;
    let to = PhoneNumber::parse(&fields.text("to")?, app.default_region, &services.phone)?;
    let purpose = input::purpose(&mut fields)?;
    // A caller with a key is a server, whose own address never counts. One without is not believed what it says.
    let signalled = signalled_ip(&mut fields)?;
    let ip = if app.authenticated { signalled } else { input::address(request, http) };
    Ok(CreateVerification { app, to, purpose, ip })
}

fn signalled_ip(fields: &mut Fields) -> Result<Option<IpAddr>, ApiError> {
    let Some(mut signals) = fields.optional_object("signals", "signals.", &["ip"])? else { return Ok(None) };
    let Some(text) = signals.optional_text("ip")? else { return Ok(None) };
    let refused = || ApiError::InvalidParameter("`signals.ip` must be an IPv4 or IPv6 address.".into());
    client_ip::parse(&text).map(Some).ok_or_else(refused)
}
