//! `[shop]`: whose verifications the page and the tutorial's routes make, and how many pictures may wait.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::captchas::CaptchaRules;
use postrider_core::config::{ConfigError, SecretUrl, duration_text};
use postrider_core::redis::{Redis, RedisConfig};
use postrider_core::throttle::Window;
use serde::{Deserialize, Serialize};

use super::sections::windows;
use crate::auth::{App, Apps};

/// `[shop]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShopSection {
    app: String,
    #[serde(with = "duration_text")]
    captcha_ttl: Duration,
    max_captchas: usize,
    captcha_ip: Vec<Window>,
    django_redis_url: SecretUrl,
}

/// What holds for the page and the tutorial's routes.
#[derive(Debug, Clone)]
pub struct ShopRules {
    /// Whose verifications they make.
    pub app: Arc<App>,
    /// How long a picture waits, and how many.
    pub captchas: CaptchaRules,
    /// How many pictures and sounds an address may ask for.
    pub captcha_ip: Vec<Window>,
    /// Where Django reads the codes.
    pub django: Option<DjangoRedis>,
}

/// The Redis database in which Django reads codes.
#[derive(Debug, Clone)]
pub struct DjangoRedis {
    /// How it is reached.
    pub redis: RedisConfig,
    /// Its address without what is secret of it.
    pub shown: String,
}

impl ShopSection {
    /// Checks all of it, also where the shop is off: it is turned on by one key.
    pub(super) fn rules(&self, apps: &Apps, redis: &RedisConfig) -> Result<Option<ShopRules>, ConfigError> {
        if !(Duration::from_secs(30)..=Duration::from_mins(2)).contains(&self.captcha_ttl) {
            return Err(ConfigError::key("shop.captcha_ttl", "must be 30s to 120s"));
        }
        if !(1..=1_000_000).contains(&self.max_captchas) {
            return Err(ConfigError::key("shop.max_captchas", "must be 1 to 1000000"));
        }
        let captcha_ip = windows("shop.captcha_ip", &self.captcha_ip)?;
        let (app, django) = (self.app(apps)?, self.django(redis)?);
        let Some(app) = app else {
            return match django {
                Some(_) => Err(ConfigError::key(
                    "shop.django_redis_url",
                    "is set, and no app is the shop's, so nothing would be written there: name the app in shop.app",
                )),
                None => Ok(None),
            };
        };
        let captchas = CaptchaRules { ttl: self.captcha_ttl, max: self.max_captchas };
        Ok(Some(ShopRules { app, captchas, captcha_ip, django }))
    }

    fn app(&self, apps: &Apps) -> Result<Option<Arc<App>>, ConfigError> {
        if self.app.is_empty() {
            return Ok(if apps.is_open() { apps.all().first().copied().cloned() } else { None });
        }
        let known = if apps.is_open() { Vec::new() } else { apps.all() };
        if let Some(app) = known.iter().find(|app| app.name == self.app) {
            return Ok(Some(Arc::clone(app)));
        }
        let names: Vec<String> = known.iter().map(|app| format!("{:?}", app.name)).collect();
        let reason = if names.is_empty() {
            format!(
                "{:?} is none of [[apps]], of which there are none: add it there, or leave shop.app empty",
                self.app
            )
        } else {
            format!(
                "{:?} is none of [[apps]]: use {}, or leave it empty to turn the page off",
                self.app,
                names.join(" or ")
            )
        };
        Err(ConfigError::key("shop.app", reason))
    }

    fn django(&self, redis: &RedisConfig) -> Result<Option<DjangoRedis>, ConfigError> {
        let url = &self.django_redis_url;
        if url.is_empty() {
            return Ok(None);
        }
        let redis = RedisConfig { url: url.secret().clone(), ..redis.clone() };
        // Connects nowhere yet; an address that cannot be read is found here.
        Redis::new(&redis).map_err(|reason| ConfigError::key("shop.django_redis_url", reason))?;
        Ok(Some(DjangoRedis { redis, shown: url.to_string() }))
    }
}
