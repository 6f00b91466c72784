//! `[results]`: where results go. What each key means and guards against stands in `config.default.toml`.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::{ConfigError, SecretUrl, duration_text};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::redis::{Redis, RedisConfig};
use crate::results::{ResultBackend, ResultOptions, Results};
use crate::shutdown::Shutdown;

/// `[results]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ResultsSection {
    url: SecretUrl,
    #[serde(with = "duration_text")]
    expires: Duration,
    extended: bool,
    track_started: bool,
    persistent: bool,
    connections: usize,
    #[serde(with = "duration_text")]
    timeout: Duration,
}

impl ResultsSection {
    /// What holds for every result.
    pub fn options(&self) -> ResultOptions {
        ResultOptions {
            expires: (!self.expires.is_zero()).then_some(self.expires),
            extended: self.extended,
            track_started: self.track_started,
            persistent: self.persistent,
            ..ResultOptions::default()
        }
    }

    /// The address without its password; empty where nothing is kept.
    pub fn shown(&self) -> String {
        self.url.to_string()
    }

    /// Whether results could go there, without asking the server.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=64).contains(&self.connections) {
            return Err(ConfigError::key("results.connections", "must be 1 to 64"));
        }
        if self.timeout.is_zero() {
            return Err(ConfigError::key("results.timeout", "must be longer than 0s"));
        }
        match self.backend()? {
            ResultBackend::Redis(_) => Redis::new(&self.client())
                .map(|_| ())
                .map_err(|reason| ConfigError::key("results.url", reason)),
            _ => Ok(()),
        }
    }

    /// Opens the place for results, for a process that stores them and waits for none.
    pub fn open(&self, broker: &Broker, clock: &Clock, shutdown: &Shutdown) -> Result<Results, ConfigError> {
        self.backend()?
            .open(self.options(), &self.client(), broker, false, clock, shutdown)
            .map_err(|error| ConfigError::key("results.url", error.to_string()))
    }

    fn backend(&self) -> Result<ResultBackend, ConfigError> {
        let parsed = ResultBackend::parse(self.url.secret().expose_secret());
        parsed.map_err(|reason| ConfigError::key("results.url", reason))
    }

    fn client(&self) -> RedisConfig {
        RedisConfig {
            url: self.url.secret().clone(),
            prefix: String::new(),
            connections: self.connections,
            timeout: self.timeout,
        }
    }
}
