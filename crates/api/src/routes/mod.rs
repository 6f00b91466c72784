//! The routes: each reads a request, calls its flow and shapes the answer.

mod check_code;
mod check_sms_code;
mod check_verification;
mod create_verification;
mod draw_captcha;
mod get_verification;
mod health;
mod input;
mod json;
mod metrics;
mod not_found;
mod observe;
mod page;
mod reply;
mod send_sms_code;
mod shop;
mod speak_captcha;

use actix_web::guard;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Route};

pub(crate) use observe::observe;

use crate::problem::Problem;

/// What a route answers.
type Answer = Result<HttpResponse, Problem>;

/// The path of creates, whose errors all say whether something was sent.
const VERIFICATIONS: &str = "/v1/verifications";

/// Adds all routes; those of the shop where it is on.
pub(crate) fn configure(config: &mut ServiceConfig, shop: bool) {
    if shop {
        shop::configure(config);
    }
    config
        .service(
            web::resource(VERIFICATIONS)
                .route(web::post().to(create_verification::create_verification))
                .default_service(web::to(not_found::only_post)),
        )
        .service(
            web::resource("/v1/verifications/{id}")
                .route(get_or_head().to(get_verification::get_verification))
                .default_service(web::to(not_found::only_get)),
        )
        .service(
            web::resource("/v1/verifications/{id}/check")
                .route(web::post().to(check_verification::check_verification))
                .default_service(web::to(not_found::only_post)),
        )
        .service(
            web::resource("/v1/checks")
                .route(web::post().to(check_code::check_code))
                .default_service(web::to(not_found::only_post)),
        )
        .service(
            web::resource("/healthz")
                .route(get_or_head().to(health::alive))
                .default_service(web::to(not_found::only_get)),
        )
        .service(
            web::resource("/readyz")
                .route(get_or_head().to(health::ready))
                .default_service(web::to(not_found::only_get)),
        )
        .service(
            web::resource("/metrics")
                .route(get_or_head().to(metrics::metrics))
                .default_service(web::to(not_found::only_get)),
        )
        .default_service(web::to(not_found::not_found));
}

/// Whoever may GET may ask for the head of it alone.
fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
