//! Which result backend there is, as its address says, and what holds for every result.

use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::{MemoryResults, RedisResults, ResultError, Results, RpcResults, State};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::redis::RedisConfig;
use crate::shutdown::Shutdown;

/// A result backend by its address.
#[derive(Debug, Clone, Default)]
pub enum ResultBackend {
    /// Nothing is kept.
    #[default]
    None,
    /// `redis://…` or `rediss://…`.
    Redis(SecretString),
    /// `rpc://`: answers through the broker.
    Rpc,
    /// `memory://`: in this process.
    Memory,
}

/// What holds for every result, by Celery's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultOptions {
    /// How long a result is kept (`result_expires`); `None` for ever.
    pub expires: Option<Duration>,
    /// Whether results tell of the call too (`result_extended`).
    pub extended: bool,
    /// Whether the start of each task is kept (`task_track_started`).
    pub track_started: bool,
    /// Whether answers through `rpc://` survive a restart of the broker (`result_persistent`).
    pub persistent: bool,
    /// How long a result that cannot be kept is tried again. The start of a task is not.
    pub patience: Duration,
}

impl Default for ResultOptions {
    fn default() -> Self {
        Self {
            expires: Some(Duration::from_hours(24)),
            extended: false,
            track_started: false,
            persistent: false,
            patience: Duration::from_secs(20),
        }
    }
}

impl ResultOptions {
    /// How long that state is tried to be kept.
    pub(super) fn patience_for(&self, state: &State) -> Duration {
        if state.is_passing() { Duration::ZERO } else { self.patience }
    }

    /// How long a result is kept, in whole seconds; zero for ever.
    pub(super) fn expires_seconds(&self) -> u64 {
        self.expires.map_or(0, |expires| expires.as_secs().max(1))
    }
}

impl ResultBackend {
    /// Reads an address: `redis://…`, `rediss://…`, `rpc://`, `memory://`, or `disabled://` and nothing for none. The
    /// error does not quote it, since it may hold a password.
    pub fn parse(address: &str) -> Result<Self, String> {
        let (scheme, _) = address.split_once("://").unwrap_or((address, ""));
        match scheme {
            "" | "disabled" => Ok(Self::None),
            "redis" | "rediss" => Ok(Self::Redis(address.to_owned().into())),
            "rpc" => Ok(Self::Rpc),
            "memory" | "cache+memory" => Ok(Self::Memory),
            _ => {
                Err("is none of redis://host:6379/0, rediss://…, rpc://, memory:// and empty for none"
                    .to_owned())
            }
        }
    }

    /// Opens it. `redis` says how to talk to any Redis: its address and prefix are not used.
    ///
    /// Who is going to wait for results `listens`: with `rpc://` that takes a queue and a connection of its own.
    pub fn open(
        &self,
        options: ResultOptions,
        redis: &RedisConfig,
        broker: &Broker,
        listens: bool,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> Result<Results, ResultError> {
        Ok(match self {
            Self::None => Results::None,
            Self::Redis(url) => {
                let config = RedisConfig { url: url.clone(), prefix: String::new(), ..redis.clone() };
                Results::Redis(RedisResults::start(&config, options, shutdown)?)
            }
            Self::Rpc if listens => {
                let queue = Uuid::new_v4().to_string();
                Results::Rpc(RpcResults::listening_on(broker.clone(), queue, options, shutdown))
            }
            Self::Rpc => Results::Rpc(RpcResults::new(broker.clone(), options)),
            Self::Memory => Results::Memory(MemoryResults::new(options, clock.clone())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_celerys() {
        for (address, expected) in [
            ("", "None"),
            ("disabled://", "None"),
            ("redis://127.0.0.1:6379/1", "Redis"),
            ("rediss://:secret@redis.example/0", "Redis"),
            ("rpc://", "Rpc"),
            ("rpc", "Rpc"),
            ("memory://", "Memory"),
        ] {
            let parsed = format!("{:?}", ResultBackend::parse(address).unwrap());
            assert!(parsed.starts_with(expected), "{address}: {parsed}");
            assert!(!parsed.contains("secret"), "{parsed}");
        }
        let error = ResultBackend::parse("db+postgresql://user:secret@host/db").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn results_are_kept_for_a_day_unless_it_is_said_otherwise() {
        let options = ResultOptions::default();
        assert_eq!(options.expires_seconds(), 86_400);
        assert_eq!(ResultOptions { expires: None, ..options.clone() }.expires_seconds(), 0);
        assert_eq!(ResultOptions { expires: Some(Duration::from_millis(1)), ..options }.expires_seconds(), 1);
    }
}
