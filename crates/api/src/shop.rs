//! The shop: whose verifications the page and the tutorial's routes make, and the pictures that stand before them.

use std::sync::Arc;

use postrider_core::backends::Backends;
use postrider_core::captchas::Captchas;
use postrider_core::clock::Clock;
use postrider_core::config::ConfigError;
use postrider_core::django_codes::DjangoCodes;
use postrider_core::redis::Redis;
use postrider_core::shutdown::Shutdown;
use postrider_core::throttle::Throttle;

use crate::auth::App;
use crate::config::ShopRules;
use crate::pictures::Studio;

/// What the page and the tutorial's routes work with.
#[derive(Debug)]
pub struct Shop {
    /// Whose verifications they make.
    pub app: Arc<App>,
    /// The pictures that wait for an answer.
    pub captchas: Captchas,
    /// Counts the pictures and sounds that addresses ask for.
    pub captcha_requests: Throttle,
    /// Where Django reads the app's codes.
    pub django: Option<DjangoCodes>,
    pub(crate) studio: Studio,
}

impl Shop {
    /// On these backends. Connects to Django's Redis in the background.
    pub fn new(
        rules: ShopRules,
        backends: &Backends,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> Result<Self, ConfigError> {
        let bad_url = |reason| ConfigError::key("shop.django_redis_url", reason);
        let django = rules.django.map(|django| Redis::new(&django.redis)).transpose().map_err(bad_url)?;
        if let Some(redis) = &django {
            shutdown.spawn(redis.clone().watch(shutdown.soft().clone()));
        }
        Ok(Self {
            app: rules.app,
            captchas: backends.captchas(rules.captchas, clock),
            captcha_requests: backends.address_throttle(rules.captcha_ip, clock),
            django: django.map(DjangoCodes::new),
            studio: Studio::new(),
        })
    }
}
