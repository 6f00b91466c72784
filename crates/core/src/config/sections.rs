//! The sections that both binaries have. What each key means and guards against stands in `config.default.toml`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, SecretUrl, credentials_folder, duration_text};
use crate::broker::AmqpConfig;
use crate::broker::topology::{QueueType, unusable};
use crate::redis::{Redis, RedisConfig};
use crate::seal::KeyRing;

/// `[redis]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSection {
    url: SecretUrl,
    prefix: String,
    connections: usize,
    #[serde(with = "duration_text")]
    timeout: Duration,
    /// What to do about a server that may evict keys.
    pub eviction: EvictionRule,
}

/// What to do about a server that may evict keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EvictionRule {
    /// Refuse to start: an evicted window is a limit that does not hold.
    Refuse,
    /// Start all the same.
    Accepted,
}

/// `[amqp]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpSection {
    url: SecretUrl,
    #[serde(with = "duration_text")]
    heartbeat: Duration,
    #[serde(with = "duration_text")]
    connect_timeout: Duration,
    #[serde(with = "duration_text")]
    publish_timeout: Duration,
    declare: bool,
}

/// A work queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSection {
    /// Its name.
    pub name: String,
    /// How it keeps its messages.
    #[serde(rename = "type", default)]
    pub kind: QueueType,
    /// Whether Postrider declares it and may dead-letter what it finds there.
    #[serde(default = "yes")]
    pub owned: bool,
}

/// `[keys]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysSection {
    pepper_file: Option<PathBuf>,
    seal_file: Option<PathBuf>,
}

/// `[log]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// The least level that is written, or a filter such as `info,postrider_core=debug`.
    pub level: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl RedisSection {
    /// The settings of the client.
    pub fn client(&self) -> Result<RedisConfig, ConfigError> {
        if self.prefix.is_empty()
            || !self.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        {
            return Err(ConfigError::key(
                "redis.prefix",
                "must be letters, digits and -_.: only, and not empty",
            ));
        }
        if !(1..=64).contains(&self.connections) {
            return Err(ConfigError::key("redis.connections", "must be 1 to 64"));
        }
        let config = RedisConfig {
            url: self.url.secret().clone(),
            prefix: self.prefix.clone(),
            connections: self.connections,
            timeout: positive("redis.timeout", self.timeout)?,
        };
        // Connects nowhere yet; an address that cannot be read is found here.
        Redis::new(&config).map_err(|reason| ConfigError::key("redis.url", reason))?;
        Ok(config)
    }
}

impl AmqpSection {
    /// The settings of the client; `name` is shown in the broker's list of connections.
    pub fn client(&self, name: &str) -> Result<AmqpConfig, ConfigError> {
        if !(1..=60).contains(&self.heartbeat.as_secs()) {
            return Err(ConfigError::key("amqp.heartbeat", "must be 1s to 60s"));
        }
        let config = AmqpConfig {
            url: self.url.secret().clone(),
            name: name.into(),
            heartbeat: self.heartbeat,
            connect_timeout: positive("amqp.connect_timeout", self.connect_timeout)?,
            publish_timeout: positive("amqp.publish_timeout", self.publish_timeout)?,
            declare: self.declare,
        };
        config.check().map_err(|reason| ConfigError::key("amqp.url", reason))?;
        Ok(config)
    }
}

impl QueueSection {
    /// The longest name that fits a routing key behind the delay ladder's digits.
    const MAX_NAME: usize = 200;

    /// Whether the name can be used.
    pub fn check(&self, key: &'static str) -> Result<(), ConfigError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.name.is_empty() || self.name.len() > Self::MAX_NAME || !self.name.bytes().all(good) {
            return Err(ConfigError::key(
                key,
                format!("the queue name {:?} must be 1 to 200 letters, digits and -_.", self.name),
            ));
        }
        match unusable(&self.name) {
            Some(reason) => {
                Err(ConfigError::key(key, format!("{:?} {reason}: choose another name", self.name)))
            }
            None => Ok(()),
        }
    }
}

impl KeysSection {
    /// The keys that MACs of codes, numbers and addresses are made with.
    pub fn pepper(&self) -> Result<KeyRing, ConfigError> {
        read("keys.pepper_file", self.pepper_file.as_deref(), "pepper")
    }

    /// The keys that tasks and dead letters are sealed with.
    pub fn seal(&self) -> Result<KeyRing, ConfigError> {
        read("keys.seal_file", self.seal_file.as_deref(), "seal")
    }
}

fn read(key: &'static str, configured: Option<&Path>, credential: &str) -> Result<KeyRing, ConfigError> {
    let path = match (configured, credentials_folder()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(folder)) => folder.join(credential),
        (None, None) => {
            let reason = format!(
                "is not set, and there is no systemd credential `{credential}`: make a key file with \
                 `postrider-api key generate --kind {credential} > FILE` and name it here"
            );
            return Err(ConfigError::key(key, reason));
        }
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        // A key that was pasted in place of the path must not be shown.
        let shown = path.to_string_lossy();
        let file = if shown.contains(char::is_whitespace) { "the file that it names".into() } else { shown };
        ConfigError::key(key, format!("cannot read {file}: {error}"))
    })?;
    KeyRing::parse(&text).map_err(|source| ConfigError::KeyFile { key, path, source })
}

fn positive(key: &'static str, duration: Duration) -> Result<Duration, ConfigError> {
    if duration.is_zero() { Err(ConfigError::key(key, "must be longer than 0s")) } else { Ok(duration) }
}

fn yes() -> bool {
    true
}
