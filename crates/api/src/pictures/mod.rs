//! Draws and speaks the texts of pictures.
//!
//! Either takes milliseconds of computing, so it is done on threads that block nothing, by few at a time: pictures for
//! strangers must not take the processor from those who check a code.

mod draw;
mod speak;

use postrider_core::captchas::CaptchaText;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::ApiError;

/// How many pictures are drawn or spoken at once.
const PLACES: usize = 2;

/// Where pictures are drawn and spoken.
#[derive(Debug)]
pub(crate) struct Studio(Semaphore);

impl Studio {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(PLACES))
    }

    /// A text as a PNG.
    pub(crate) async fn draw(&self, text: CaptchaText) -> Result<Vec<u8>, ApiError> {
        self.work(move || draw::draw(&text)).await
    }

    /// A text as a WAV.
    pub(crate) async fn speak(&self, text: CaptchaText) -> Result<Vec<u8>, ApiError> {
        self.work(move || speak::speak(&text)).await
    }

    async fn work(
        &self,
        work: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
    ) -> Result<Vec<u8>, ApiError> {
        let _place = self.0.acquire().await.expect("nobody closes it");
        // The panic hook has logged a panic by then.
        spawn_blocking(work).await.ok().flatten().ok_or_else(|| {
            tracing::error!("a picture could not be drawn or spoken");
            ApiError::Internal
        })
    }
}
