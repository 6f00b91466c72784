//! Reading the configuration: the compiled-in defaults, then a file, then the environment, then flags.
//!
//! The defaults are the binary's commented `config.default.toml`, which is also its manual. A key that nothing reads is
//! an error that names it. The environment is read here and nowhere else: `POSTRIDER__SECTION__KEY`.

mod results_section;
mod secret_url;
mod sections;
mod stop_timeout;
mod string_list;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

pub use results_section::ResultsSection;
pub use secret_url::SecretUrl;
pub use sections::{
    AmqpSection, EvictionRule, KeysSection, LogFormat, LogSection, QueueSection, RedisSection,
};
pub use stop_timeout::StopTimeout;
pub use string_list::StringList;

use crate::seal::KeyError;

/// The exit code for a configuration that cannot be used: `EX_CONFIG` of sysexits.h.
pub const EX_CONFIG: u8 = 78;

/// What is wrong with a configuration. Every text names the key and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("the configuration file {}: {reason}", path.display())]
    File {
        /// The file that was named.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A value of the wrong type, or a key that nothing reads.
    #[error("{0}")]
    Value(String),
    /// A key whose value cannot be used.
    #[error("{key}: {reason}")]
    Key {
        /// The key, as `section.key`.
        key: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A key file that cannot be used.
    #[error("{key}: the key file {}: {source}", path.display())]
    KeyFile {
        /// The key, as `section.key`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl ConfigError {
    /// A key whose value cannot be used.
    pub fn key(key: &'static str, reason: impl Into<String>) -> Self {
        Self::Key { key, reason: reason.into() }
    }
}

/// Reads a configuration in its four layers. `overrides` are the flags that were given, as key and value.
pub fn load<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    overrides: &[(&str, Option<String>)],
) -> Result<T, ConfigError> {
    let value = |error: ::config::ConfigError| ConfigError::Value(without_values(&error.to_string()));
    let mut layers = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.into(), reason: error.to_string() })?;
        // Parsed on its own first, so that the message names the file.
        toml_syntax(&text).map_err(|reason| ConfigError::File { path: path.into(), reason })?;
        layers = layers.add_source(File::from_str(&text, FileFormat::Toml));
    }
    // `try_parsing` stays off: it would turn the password 00123 into the number 123.
    layers = layers.add_source(
        Environment::with_prefix("POSTRIDER").prefix_separator("__").separator("__").ignore_empty(true),
    );
    for (key, flag) in overrides {
        layers = layers.set_override_option(*key, flag.clone()).map_err(value)?;
    }
    layers.build().map_err(value)?.try_deserialize().map_err(value)
}

/// Reads compiled-in defaults alone, for a process that takes no configuration: no file, no environment.
pub fn embedded<T: DeserializeOwned>(defaults: &str) -> Result<T, ConfigError> {
    let value = |error: ::config::ConfigError| ConfigError::Value(without_values(&error.to_string()));
    let layers = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
    layers.build().map_err(value)?.try_deserialize().map_err(value)
}

fn toml_syntax(text: &str) -> Result<(), String> {
    let parsed = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build();
    parsed.map(|_| ()).map_err(|error| syntax_error(&error.to_string()))
}

/// The place and the fault. The lines in between quote the file, a password perhaps; of them only the key is shown.
fn syntax_error(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let key =
        lines.iter().find_map(|line| line.split_once(" | ")?.1.split_once('=').map(|(key, _)| key.trim()));
    let (place, fault) =
        (lines.first().copied().unwrap_or_default(), lines.last().copied().unwrap_or_default());
    format!("{place} ({}): {fault}", key.unwrap_or("no key"))
}

/// Serde quotes a text that stands where something else belongs: a key that was pasted into the wrong place, perhaps.
fn without_values(text: &str) -> String {
    match text.split_once("string \"").and_then(|(before, rest)| Some((before, rest.rsplit_once('"')?.1))) {
        Some((before, after)) => format!("{before}a text{after}"),
        None => text.to_owned(),
    }
}

/// The folder where systemd puts a unit's credentials (`LoadCredential=`).
fn credentials_folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var("CREDENTIALS_DIRECTORY").ok().map(PathBuf::from)
}

/// Whether SIGTERM is to mean what SIGQUIT means: Celery's `REMAP_SIGTERM=SIGQUIT`, for platforms that send SIGTERM shortly
/// before they kill.
pub fn sigterm_means_sigquit() -> bool {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var("REMAP_SIGTERM").is_ok_and(|signal| signal.eq_ignore_ascii_case("SIGQUIT"))
}

/// Durations as text: `300ms`, `60s`, `5m`, `24h`, `1h30m`.
pub mod duration_text {
    use super::Duration;
    use jiff::SignedDuration;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    /// Reads the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            de::Error::custom(format!("{text:?} is not a duration: write for example 300ms, 60s, 5m or 24h"))
        })
    }

    /// Writes the text.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written(*duration))
    }

    pub(super) fn written(duration: Duration) -> String {
        let millis = duration.as_millis();
        match millis {
            0 => "0s".to_owned(),
            _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
            _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
            _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
            _ => format!("{millis}ms"),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Duration> {
        let signed: SignedDuration = text.trim().parse().ok()?;
        Duration::try_from(signed).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        http: Http,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Http {
        port: u16,
        #[serde(with = "duration_text")]
        timeout: Duration,
        proxies: StringList,
    }

    const DEFAULTS: &str = "[http]\nport = 1\ntimeout = '5m'\nproxies = ['a']";

    fn load_with(port: Option<&str>, more: &str) -> Result<Settings, ConfigError> {
        load(&format!("{DEFAULTS}\n{more}"), None, &[("http.port", port.map(str::to_owned))])
    }

    #[test]
    fn a_flag_stands_above_the_defaults() {
        assert_eq!(load_with(None, "").unwrap().http.port, 1);
        let settings = load_with(Some("2"), "").unwrap();

        assert_eq!(settings.http.port, 2);
        assert_eq!(settings.http.timeout, Duration::from_mins(5));
        assert_eq!(*settings.http.proxies, ["a"]);
    }

    #[test]
    fn an_unknown_key_and_a_bad_value_are_named() {
        assert!(load_with(None, "portt = 2").unwrap_err().to_string().contains("portt"));
        assert!(load_with(Some("x"), "").unwrap_err().to_string().contains("http.port"));
    }

    #[test]
    fn an_error_names_its_key_and_shows_no_value() {
        let syntax = toml_syntax("[amqp]\nurl = \"amqp://me:s3cret@host\nx = 1").unwrap_err();
        assert!(syntax.contains("url") && !syntax.contains("s3cret"), "{syntax}");

        let value = without_values("invalid type: string \"prk_s3cret\", expected a sequence for key `apps`");
        assert_eq!(value, "invalid type: a text, expected a sequence for key `apps`");
    }

    #[test]
    fn durations_are_text() {
        for (text, ms) in [("300ms", 300), ("60s", 60_000), ("24h", 86_400_000), ("1h30m", 5_400_000)] {
            assert_eq!(duration_text::parse(text), Some(Duration::from_millis(ms)));
        }
        for text in ["60", "soon", "-5s", ""] {
            assert_eq!(duration_text::parse(text), None, "{text}");
        }
    }
}
