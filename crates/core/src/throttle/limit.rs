//! The windows, and the one question that is asked of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::DeniedBy;
use crate::clock::millis;
use crate::config::duration_text;

/// At most `max` sends in any stretch of `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The stretch of time.
    #[serde(with = "duration_text")]
    pub window: Duration,
    /// Sends in it, 1 to 1000.
    pub max: u32,
}

/// The windows of a number and of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// For one phone number.
    pub number: Vec<Window>,
    /// For one end user's address: an IPv4 address or an IPv6 /64.
    pub ip: Vec<Window>,
}

impl Limits {
    /// What is wrong with them, naming the key.
    pub fn check(&self) -> Result<(), String> {
        for (key, windows) in [("throttle.number", &self.number), ("throttle.ip", &self.ip)] {
            if windows.is_empty() {
                return Err(format!("{key} must hold at least one window"));
            }
            if let Some(bad) = windows.iter().find(|w| w.window.is_zero() || !(1..=1000).contains(&w.max)) {
                return Err(format!(
                    "{key}: window {:?} with max {} must be above 0 and 1 to 1000",
                    bad.window, bad.max
                ));
            }
        }
        Ok(())
    }

    pub(super) fn of(&self, subject: usize) -> &[Window] {
        if subject == 0 { &self.number } else { &self.ip }
    }

    /// The longest window of a subject, in ms: after it a send counts nowhere.
    pub(super) fn longest(&self, subject: usize) -> i64 {
        self.of(subject).iter().map(|window| millis(window.window)).max().unwrap_or(0)
    }

    pub(super) fn denied_by(&self, subject: usize, window: usize) -> DeniedBy {
        match (subject, self.of(subject).get(window)) {
            (0, Some(Window { max: 1, .. })) => DeniedBy::Cooldown,
            (0, _) => DeniedBy::Number,
            _ => DeniedBy::Ip,
        }
    }
}

impl Window {
    /// When the window has room, given the sorted times of sends; `None` when it has room now.
    pub(super) fn free_at(&self, sorted: &[i64], now: i64) -> Option<i64> {
        // The max-th newest send is the one that must leave the window first.
        let blocking = sorted.len().checked_sub(self.max as usize).and_then(|index| sorted.get(index))?;
        let free = blocking.saturating_add(millis(self.window));
        (free > now).then_some(free)
    }
}
