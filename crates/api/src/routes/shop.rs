//! The routes that are there when the shop is on: the page, its pictures, and the tutorial's routes.
//!
//! The tutorial's paths end with a slash; without it they are the same.

use actix_web::web::{self, ServiceConfig};

use super::{check_sms_code, draw_captcha, not_found, page, send_sms_code, speak_captcha};

/// Adds them.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            web::resource(["/image_codes/{uuid}/", "/image_codes/{uuid}"])
                .route(web::get().to(draw_captcha::draw_captcha))
                .default_service(web::to(not_found::only_get_and_no_head)),
        )
        .service(
            web::resource(["/image_codes/{uuid}/audio/", "/image_codes/{uuid}/audio"])
                .route(web::get().to(speak_captcha::speak_captcha))
                .default_service(web::to(not_found::only_get_and_no_head)),
        )
        .service(
            web::resource(["/sms_codes/{mobile}/", "/sms_codes/{mobile}"])
                .route(web::get().to(send_sms_code::send_sms_code))
                .default_service(web::to(not_found::only_get_and_no_head)),
        )
        .service(
            web::resource(["/sms_codes/{mobile}/check/", "/sms_codes/{mobile}/check"])
                .route(web::post().to(check_sms_code::check_sms_code))
                .default_service(web::to(not_found::only_post)),
        )
        .configure(page::configure);
}
