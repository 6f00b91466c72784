//! The sections that only the api has, and the checks of their values.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use postrider_core::broker::topology::{QueueType, Topology};
use postrider_core::config::{ConfigError, QueueSection, StringList, duration_text};
use postrider_core::phone::{PhoneCheck, PhonePolicy, Region};
use postrider_core::throttle::Window;
use serde::{Deserialize, Serialize};

use crate::auth::{App, KeyHash};
use crate::services::{CodeRules, Payload, TaskQueue};

/// `[http]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSection {
    /// Where it listens.
    pub listen: SocketAddr,
    trusted_proxies: StringList,
    workers: usize,
    #[serde(with = "duration_text")]
    request_timeout: Duration,
    #[serde(with = "duration_text")]
    keep_alive: Duration,
    #[serde(with = "duration_text")]
    drain_delay: Duration,
    #[serde(with = "duration_text")]
    shutdown_timeout: Duration,
}

/// How HTTP is served.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that serve connections.
    pub workers: usize,
    /// The longest wait for a head, and again for a body.
    pub request_timeout: Duration,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// How long it is not ready before the port closes.
    pub drain_delay: Duration,
    /// How long requests may take to finish when it stops.
    pub shutdown_timeout: Duration,
}

/// `[queue]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetSection {
    name: String,
    #[serde(rename = "type")]
    kind: QueueType,
    payload: Payload,
    owned: bool,
}

/// One of `[[apps]]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppSection {
    name: String,
    secret_key_hashes: Vec<KeyHash>,
    default_region: Option<String>,
}

/// `[phone]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhoneSection {
    check: PhoneCheck,
    extra_ranges: StringList,
    denied_ranges: StringList,
}

/// `[codes]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodesSection {
    #[serde(with = "duration_text")]
    ttl: Duration,
    max_checks: u32,
    anonymous_checks: Vec<Window>,
}

impl HttpSection {
    /// How HTTP is served.
    pub fn settings(&self) -> Result<HttpSettings, ConfigError> {
        if !(1..=64).contains(&self.workers) {
            return Err(ConfigError::key("http.workers", "must be 1 to 64"));
        }
        let waits = [("http.request_timeout", self.request_timeout), ("http.keep_alive", self.keep_alive)];
        if let Some((key, _)) = waits.into_iter().find(|(_, wait)| wait.is_zero()) {
            return Err(ConfigError::key(key, "must be longer than 0s"));
        }
        Ok(HttpSettings {
            trusted_proxies: self
                .trusted_proxies
                .iter()
                .map(|text| network(text))
                .collect::<Result<_, _>>()?,
            workers: self.workers,
            request_timeout: self.request_timeout,
            keep_alive: self.keep_alive,
            drain_delay: self.drain_delay,
            shutdown_timeout: self.shutdown_timeout,
        })
    }
}

impl HttpSettings {
    /// How long requests may take to finish when it stops: not shorter than the server can wait.
    pub(crate) fn finish_within(&self) -> Duration {
        self.shutdown_timeout.max(Duration::from_secs(1))
    }
}

impl TargetSection {
    /// What the api declares: its queue and the queue of the idle probe. The dead-letter queue is the worker's, which
    /// knows how much it keeps.
    pub(super) fn topology(&self) -> Result<Topology, ConfigError> {
        let Self { name, kind, owned, .. } = self;
        QueueSection { name: name.clone(), kind: *kind, owned: *owned }.check("queue.name")?;
        let topology = Topology::default().probe_queue();
        Ok(if *owned { topology.work_queue(name, *kind) } else { topology.foreign_queue(name) })
    }

    pub(super) fn target(&self) -> TaskQueue {
        TaskQueue { name: self.name.clone(), payload: self.payload }
    }

    pub(super) fn kind(&self) -> QueueType {
        self.kind
    }
}

impl AppSection {
    pub(super) fn app(&self) -> Result<(App, &[KeyHash]), ConfigError> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if !(1..=32).contains(&self.name.len()) || !self.name.bytes().all(good) {
            let reason = format!("{:?} must be 1 to 32 of a to z, 0 to 9, - and _", self.name);
            return Err(ConfigError::key("apps.name", reason));
        }
        if self.secret_key_hashes.is_empty() {
            let reason = format!("{:?} has no key: make one with `postrider-api key generate`", self.name);
            return Err(ConfigError::key("apps.secret_key_hashes", reason));
        }
        let region = self.default_region.as_ref().map(|text| {
            let region: Result<Region, _> = text.parse();
            region.map_err(|error| ConfigError::key("apps.default_region", error.to_string()))
        });
        let app = App { name: self.name.clone(), default_region: region.transpose()?, authenticated: true };
        Ok((app, &self.secret_key_hashes))
    }
}

impl PhoneSection {
    pub(super) fn policy(&self) -> Result<PhonePolicy, ConfigError> {
        Ok(PhonePolicy {
            check: self.check,
            extra_ranges: ranges("phone.extra_ranges", &self.extra_ranges)?,
            denied_ranges: ranges("phone.denied_ranges", &self.denied_ranges)?,
        })
    }
}

impl CodesSection {
    /// The windows of an address whose caller shows no key.
    pub(super) fn anonymous_checks(&self) -> Result<Vec<Window>, ConfigError> {
        windows("codes.anonymous_checks", &self.anonymous_checks)
    }

    pub(super) fn rules(&self) -> Result<CodeRules, ConfigError> {
        let Self { ttl, max_checks, .. } = *self;
        if !(Duration::from_secs(30)..=Duration::from_mins(10)).contains(&ttl) {
            return Err(ConfigError::key("codes.ttl", "must be 30s to 600s"));
        }
        if !(1..=10).contains(&max_checks) {
            return Err(ConfigError::key("codes.max_checks", "must be 1 to 10"));
        }
        Ok(CodeRules { ttl, max_checks })
    }
}

/// Windows that hold: at least one, and each of some length.
pub(super) fn windows(key: &'static str, windows: &[Window]) -> Result<Vec<Window>, ConfigError> {
    let bad = |window: &Window| window.window.is_zero() || !(1..=1000).contains(&window.max);
    if windows.is_empty() || windows.iter().any(bad) {
        let reason = "must hold at least one window, longer than 0s and with max 1 to 1000";
        return Err(ConfigError::key(key, reason));
    }
    Ok(windows.to_vec())
}

fn network(text: &str) -> Result<IpNet, ConfigError> {
    let address = |_| text.parse().map(|address: IpAddr| IpNet::from(address));
    text.parse().or_else(address).map_err(|_| {
        let reason = format!("{text:?} is not an address or a network such as \"10.0.0.0/8\"");
        ConfigError::key("http.trusted_proxies", reason)
    })
}

fn ranges(key: &'static str, ranges: &[String]) -> Result<Vec<String>, ConfigError> {
    let good = |range: &&String| {
        let digits = range.strip_prefix('+').unwrap_or_default();
        (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match ranges.iter().find(|range| !good(range)) {
        Some(bad) => Err(ConfigError::key(key, format!("{bad:?} is not an E.164 prefix such as \"+86170\""))),
        None => Ok(ranges.to_vec()),
    }
}
