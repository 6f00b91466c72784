//! Speaks a picture that waits for its answer, for those who cannot see it. The picture goes on waiting.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::captcha;
use crate::error::ApiError;
use crate::services::Services;

/// See the module. The sound is a WAV.
pub(crate) async fn speak_captcha(
    services: Arc<Services>,
    id: Uuid,
    ip: Option<IpAddr>,
) -> Result<Vec<u8>, ApiError> {
    let spoken = speak(&services, id, ip).await;
    captcha::count(spoken.as_ref().map_or_else(ApiError::code, |_| "spoken"));
    spoken
}

async fn speak(services: &Services, id: Uuid, ip: Option<IpAddr>) -> Result<Vec<u8>, ApiError> {
    let shop = services.shop()?;
    // Speaking takes longer than drawing, and one picture may be heard again and again.
    captcha::admit(services, shop, ip).await?;
    let sealed = shop.captchas.peek(id).await?.ok_or(ApiError::NotFound)?;
    let text = captcha::open(services, id, &sealed).ok_or(ApiError::NotFound)?;
    shop.studio.speak(text).await
}
