//! The configuration of the api: read in its layers, and checked as a whole.
//!
//! What each key means stands in `config.default.toml`, which is compiled in. Everything that can be wrong is found
//! here, before a port is bound or a connection made, and named by its key.

mod sections;
mod shop;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use postrider_core::broker::AmqpConfig;
use postrider_core::broker::topology::{QueueType, Topology};
use postrider_core::config::{
    self as layers, AmqpSection, ConfigError, EvictionRule, KeysSection, LogSection, RedisSection,
};
use postrider_core::phone::PhonePolicy;
use postrider_core::redis::RedisConfig;
use postrider_core::throttle::{Limits, Window};
use serde::{Deserialize, Serialize};

use crate::auth::Apps;
use crate::services::{CodeRules, Keys, TaskQueue};
use sections::{AppSection, CodesSection, PhoneSection, TargetSection};
pub use sections::{HttpSection, HttpSettings};
use shop::ShopSection;
pub use shop::{DjangoRedis, ShopRules};

/// The compiled-in defaults, which are also the manual.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

/// The configuration as it is written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[http]`.
    pub http: HttpSection,
    redis: RedisSection,
    amqp: AmqpSection,
    queue: TargetSection,
    keys: KeysSection,
    #[serde(default)]
    apps: Vec<AppSection>,
    phone: PhoneSection,
    codes: CodesSection,
    throttle: Limits,
    shop: ShopSection,
    /// `[log]`.
    pub log: LogSection,
}

/// A configuration that was found good, key files included.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) listen: SocketAddr,
    pub(crate) http: HttpSettings,
    pub(crate) redis: RedisConfig,
    pub(crate) eviction: EvictionRule,
    pub(crate) amqp: AmqpConfig,
    pub(crate) topology: Topology,
    pub(crate) queue: TaskQueue,
    pub(crate) kind: QueueType,
    pub(crate) keys: Keys,
    pub(crate) apps: Apps,
    pub(crate) phone: PhonePolicy,
    pub(crate) codes: CodeRules,
    pub(crate) limits: Limits,
    pub(crate) anonymous_checks: Vec<Window>,
    pub(crate) shop: Option<ShopRules>,
}

impl Settings {
    /// Reads defaults, file, environment and flags.
    pub fn load(file: Option<&Path>, flags: &[(&str, Option<String>)]) -> Result<Self, ConfigError> {
        layers::load(DEFAULTS, file, flags)
    }

    /// The compiled-in defaults alone, for a process that takes no configuration.
    ///
    /// # Panics
    /// Never, as long as the test of it passes.
    pub fn embedded() -> Self {
        layers::embedded(DEFAULTS).expect("the compiled-in defaults are good")
    }

    /// How often a number and an address may be sent a code.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        self.throttle.check().map_err(ConfigError::Value)?;
        Ok(self.throttle.clone())
    }

    /// Which numbers get codes.
    pub fn phone(&self) -> Result<PhonePolicy, ConfigError> {
        self.phone.policy()
    }

    /// How often an address without a key may guess.
    pub fn anonymous_checks(&self) -> Result<Vec<Window>, ConfigError> {
        self.codes.anonymous_checks()
    }

    /// What holds for every code.
    pub fn codes(&self) -> Result<CodeRules, ConfigError> {
        self.codes.rules()
    }

    /// Whose verifications the page and the tutorial's routes make; none where they are off.
    pub fn shop(&self, apps: &Apps) -> Result<Option<ShopRules>, ConfigError> {
        self.shop.rules(apps, &self.redis.client()?)
    }

    /// Finds out whether all of it can be used.
    pub(crate) fn plan(&self) -> Result<Plan, ConfigError> {
        let apps = self.apps()?;
        may_listen(self.http.listen, &apps)?;
        Ok(Plan {
            listen: self.http.listen,
            http: self.http.settings()?,
            redis: self.redis.client()?,
            eviction: self.redis.eviction,
            amqp: self.amqp.client("postrider-api")?,
            topology: self.queue.topology()?,
            queue: self.queue.target(),
            kind: self.queue.kind(),
            shop: self.shop(&apps)?,
            apps,
            phone: self.phone()?,
            codes: self.codes()?,
            limits: self.limits()?,
            anonymous_checks: self.anonymous_checks()?,
            // Last, because they are files: what can be said about the text is said first.
            keys: Keys { pepper: self.keys.pepper()?, seal: self.keys.seal()? },
        })
    }

    fn apps(&self) -> Result<Apps, ConfigError> {
        let (mut names, mut keyed) = (HashSet::new(), Vec::new());
        for section in &self.apps {
            let (app, hashes) = section.app()?;
            if !names.insert(app.name.clone()) {
                return Err(ConfigError::key("apps.name", format!("{:?} stands twice", app.name)));
            }
            let app = Arc::new(app);
            for hash in hashes {
                if keyed.iter().any(|(known, _)| known == hash) {
                    let reason = format!("a hash of {:?} stands twice: a key belongs to one app", app.name);
                    return Err(ConfigError::key("apps.secret_key_hashes", reason));
                }
                keyed.push((hash.clone(), Arc::clone(&app)));
            }
        }
        Ok(if keyed.is_empty() { Apps::open() } else { Apps::Keyed(keyed) })
    }
}

/// Refuses to let everybody in from everywhere.
pub(crate) fn may_listen(listen: SocketAddr, apps: &Apps) -> Result<(), ConfigError> {
    if apps.is_open() && !listen.ip().to_canonical().is_loopback() {
        let reason = format!(
            "{listen} can be reached from other machines, and without [[apps]] everybody who reaches it can send \
             SMS: add an app with a key of `postrider-api key generate`, or listen on 127.0.0.1"
        );
        return Err(ConfigError::key("http.listen", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    const HASH: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

    /// The defaults with other values, written as TOML.
    fn settings(changes: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        Settings::load(Some(&written(&folder, "settings.toml", changes)), &[]).unwrap()
    }

    /// Why a configuration with these changes cannot be used.
    fn refused(changes: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let keys = written(&folder, "keys", &format!("a {}", "0".repeat(64)));
        let text = format!("keys.pepper_file = {keys:?}\nkeys.seal_file = {keys:?}\n{changes}");
        let file = written(&folder, "settings.toml", &text);
        let plan = Settings::load(Some(&file), &[]).and_then(|settings| settings.plan());
        plan.err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn written(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_manual_is_a_configuration_that_lacks_only_the_keys() {
        let settings = Settings::embedded();

        assert!(settings.plan().unwrap_err().to_string().starts_with("keys.pepper_file: "));
        assert_eq!(settings.limits().unwrap().number.len(), 3);
        assert_eq!(settings.codes().unwrap().max_checks, 5);
        assert_eq!(refused(""), "");
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_key() {
        let app = |more: &str| format!("[[apps]]\nname = 'shop'\nsecret_key_hashes = ['{HASH}']\n{more}");
        let cases = [
            ("http.listen = '0.0.0.0:8080'".into(), "http.listen: 0.0.0.0:8080 can be reached"),
            ("http.listen = '[::]:8080'".into(), "http.listen: "),
            ("http.listen = 'localhost'".into(), "http.listen"),
            ("http.workers = 0".into(), "http.workers: "),
            ("http.request_timeout = '0s'".into(), "http.request_timeout: "),
            ("http.request_timeout = 5".into(), "http.request_timeout"),
            ("http.trusted_proxies = ['10.0.0.0/33']".into(), "http.trusted_proxies: \"10.0.0.0/33\""),
            ("http.trusted_proxy = ['10.0.0.0/8']".into(), "trusted_proxy"),
            ("redis.eviction = 'ignored'".into(), "redis.eviction"),
            ("redis.prefix = 'a b'".into(), "redis.prefix: "),
            ("amqp.url = 'http://x'".into(), "amqp.url: "),
            ("queue.name = ''".into(), "queue.name: "),
            ("queue.name = 'sms.dead'".into(), "queue.name: "),
            ("queue.name = 'postrider.delay.3'".into(), "queue.name: "),
            ("queue.payload = 'open'".into(), "queue.payload"),
            ("codes.ttl = '29s'".into(), "codes.ttl: "),
            ("codes.ttl = '11m'".into(), "codes.ttl: "),
            ("codes.max_checks = 11".into(), "codes.max_checks: "),
            ("phone.denied_ranges = ['86170']".into(), "phone.denied_ranges: \"86170\""),
            ("throttle.number = []".into(), "throttle.number"),
            ("throttle.ip = [{ window = '1m', max = 0 }]".into(), "throttle.ip"),
            ("throttle.ip = [{ window = '1m', max = 1, min = 2 }]".into(), "min"),
            ("shop.captcha_ttl = '29s'".into(), "shop.captcha_ttl: "),
            ("shop.captcha_ttl = '121s'".into(), "shop.captcha_ttl: "),
            ("shop.max_captchas = 0".into(), "shop.max_captchas: "),
            ("shop.captcha_ip = []".into(), "shop.captcha_ip: "),
            ("shop.captchas = 5".into(), "captchas"),
            ("shop.django_redis_url = 'http://x'".into(), "shop.django_redis_url: "),
            ("shop.app = 'shop'".into(), "shop.app: \"shop\" is none of [[apps]], of which there are none: "),
            (format!("shop.app = 'b'\n{}", app("")), "shop.app: \"b\" is none of [[apps]]: use \"shop\", or"),
            (
                format!("shop.django_redis_url = 'redis://h/2'\n{}", app("")),
                "shop.django_redis_url: is set, and no app is the shop's",
            ),
            ("keys.pepper_file = '/nowhere'".into(), "keys.pepper_file"),
            (app("default_region = 'CHINA'"), "apps.default_region: "),
            (app("key = 1"), "key"),
            (
                app(&format!("[[apps]]\nname = 'b'\nsecret_key_hashes = ['{HASH}']")),
                "apps.secret_key_hashes: ",
            ),
            (app("[[apps]]\nname = 'shop'\nsecret_key_hashes = ['sha256:0']"), "sha256: and 64 hex digits"),
            (app("[[apps]]\nname = 'b'\nsecret_key_hashes = []"), "apps.secret_key_hashes: \"b\" has no key"),
            (app("[[apps]]\nname = 'B c'\nsecret_key_hashes = []"), "apps.name: "),
        ];
        for (changes, expected) in cases {
            let reason = refused(&changes);
            assert!(reason.contains(expected), "{changes}: {reason:?}");
        }
        assert_eq!(refused(&app("default_region = 'CN'\n[http]\nlisten = '0.0.0.0:8080'")), "");
    }

    #[test]
    fn the_shop_is_the_app_that_is_named_and_without_any_app_everybody_on_this_machine() {
        let shop = |changes: &str| {
            let settings = settings(changes);
            settings.shop(&settings.apps().unwrap()).unwrap().map(|shop| shop.app.name.clone())
        };
        let app = format!("[[apps]]\nname = 'shop'\nsecret_key_hashes = ['{HASH}']");

        assert_eq!(shop("").as_deref(), Some("local"));
        assert_eq!(shop(&app), None);
        assert_eq!(shop(&format!("shop.app = 'shop'\n{app}")).as_deref(), Some("shop"));
    }

    #[test]
    fn a_shown_configuration_has_stars_for_its_secrets() {
        let changes = format!(
            "amqp.url = 'amqp://u:s3cret@host/v'\nredis.url = 'redis://:s3cret@host/0'\n\
             shop.django_redis_url = 'redis://me:s3cret@host/2'\n[[apps]]\nname = 'shop'\nsecret_key_hashes = ['{HASH}']"
        );
        let shown = serde_json::to_string(&settings(&changes)).unwrap();

        assert!(shown.contains("amqp://******@host/v") && shown.contains("sha256:******"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("aa\""), "{shown}");
    }
}
