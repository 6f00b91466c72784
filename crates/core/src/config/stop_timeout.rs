//! How long a service manager waits for a process that it has asked to stop, before it kills it.
//!
//! A process that may take longer than that to finish what runs is killed in the middle of it. `config check
//! --stop-timeout` finds that before the process starts.

use std::str::FromStr;
use std::time::Duration;

use super::{ConfigError, duration_text};

/// The patience of a service manager: systemd's `TimeoutStopSec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTimeout(Duration);

impl FromStr for StopTimeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let reason = || format!("{text:?} is not a duration: write for example 60s or 5m");
        duration_text::parse(text).map(Self).ok_or_else(reason)
    }
}

impl StopTimeout {
    /// Whether a stop fits into it, where the `key`, set to `set`, takes most of a stop that ends within `longest`.
    pub fn fits(self, key: &'static str, set: Duration, longest: Duration) -> Result<(), ConfigError> {
        if longest < self.0 {
            return Ok(());
        }
        let [set, longest, limit] = [set, longest, self.0].map(duration_text::written);
        Err(ConfigError::key(
            key,
            format!(
                "with {set} a stop takes up to {longest}, which is not shorter than the stop timeout of {limit}: the \
                 process would be killed while it finishes its work. Lower {key}, or raise TimeoutStopSec and \
                 --stop-timeout above {longest}"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_must_be_shorter_than_the_timeout() {
        let minute: StopTimeout = "60s".parse().unwrap();
        let seconds = Duration::from_secs;

        minute.fits("worker.drain_timeout", seconds(25), seconds(35)).unwrap();
        let error = minute.fits("worker.drain_timeout", seconds(50), seconds(60)).unwrap_err().to_string();

        assert!(error.starts_with("worker.drain_timeout: with 50s a stop takes up to 1m"), "{error}");
        assert!(error.contains("the stop timeout of 1m"), "{error}");
    }

    #[test]
    fn a_timeout_is_a_duration() {
        assert_eq!("5m".parse(), Ok(StopTimeout(Duration::from_mins(5))));
        for text in ["60", "infinity", ""] {
            assert!(text.parse::<StopTimeout>().unwrap_err().contains("60s or 5m"), "{text}");
        }
    }
}
