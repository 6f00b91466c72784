//! Draws a picture that must be answered before an SMS is sent. Drawn again for the same id, the last one counts.

use std::net::IpAddr;
use std::sync::Arc;

use postrider_core::captchas::{CaptchaText, Put};
use uuid::Uuid;

use super::captcha;
use crate::error::ApiError;
use crate::services::Services;

/// See the module. The picture is a PNG.
pub(crate) async fn draw_captcha(
    services: Arc<Services>,
    id: Uuid,
    ip: Option<IpAddr>,
) -> Result<Vec<u8>, ApiError> {
    let drawn = draw(&services, id, ip).await;
    captcha::count(drawn.as_ref().map_or_else(ApiError::code, |_| "drawn"));
    drawn
}

async fn draw(services: &Services, id: Uuid, ip: Option<IpAddr>) -> Result<Vec<u8>, ApiError> {
    let shop = services.shop()?;
    captcha::admit(services, shop, ip).await?;
    let text = CaptchaText::random();
    // Before the work of drawing it, so that a full store also bounds that.
    match shop.captchas.put(id, &text.seal(&services.keys.seal, id)).await? {
        Put::Kept => shop.studio.draw(text).await,
        Put::Full { retry_after } => Err(ApiError::CaptchasFull { retry_after }),
    }
}
