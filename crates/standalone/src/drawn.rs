//! What the pictures show, listed at `GET /dev/captchas`: for a developer's scripts and for tests of the page, which
//! cannot read them either.
//!
//! Nothing of it is in the other binaries.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use postrider_api::shop::Shop;
use postrider_core::captchas::{CaptchaText, Captchas};
use postrider_core::seal::KeyRing;
use serde::Serialize;
use uuid::Uuid;

/// Opens the pictures that wait for their answers.
#[derive(Clone)]
pub(crate) struct Drawn {
    shop: Option<Arc<Shop>>,
    keys: KeyRing,
}

/// A picture as it is listed.
#[derive(Debug, Serialize)]
struct Picture {
    uuid: Uuid,
    text: String,
}

impl Drawn {
    pub(crate) fn new(shop: Option<Arc<Shop>>, keys: KeyRing) -> Self {
        Self { shop, keys }
    }

    /// The route that only this binary has.
    pub(crate) fn routes(&self, config: &mut web::ServiceConfig) {
        let drawn = self.clone();
        config.route(
            "/dev/captchas",
            web::get().to(move || {
                let listed = drawn.newest_first();
                async move { HttpResponse::Ok().json(listed) }
            }),
        );
    }

    fn newest_first(&self) -> Vec<Picture> {
        let Some(Captchas::Memory(captchas)) = self.shop.as_ref().map(|shop| &shop.captchas) else {
            return Vec::new();
        };
        let open = |(uuid, sealed): (Uuid, String)| {
            let text = CaptchaText::open(&self.keys, uuid, &sealed).ok()?;
            Some(Picture { uuid, text: text.expose().to_owned() })
        };
        captchas.newest_first().into_iter().filter_map(open).collect()
    }
}
