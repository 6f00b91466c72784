//! The SMS worker's settings. What each key means stands in `config.default.toml`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use postrider_core::broker::AmqpConfig;
use postrider_core::broker::topology::{DeadLimits, QueueType, Topology};
use postrider_core::clock::Clock;
use postrider_core::config::{
    AmqpSection, ConfigError, KeysSection, LogSection, QueueSection, RedisSection, StopTimeout,
    duration_text, load,
};
use postrider_core::telemetry;
use postrider_delivery::providers::config::{DEFAULT_TOML, ProviderConfigError, ProvidersConfig, SmsConfig};
use postrider_delivery::providers::{self, Provider};
use postrider_delivery::send::SendPolicy;
use postrider_worker::{Options, WorkQueue};
use serde::{Deserialize, Serialize};

use super::flags::Flags;

/// All settings.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    worker: WorkerSection,
    queues: Vec<QueueSettings>,
    topology: TopologySection,
    dead: DeadSection,
    amqp: AmqpSection,
    pub redis: RedisSection,
    #[serde(default)]
    pub keys: KeysSection,
    pub log: LogSection,
    metrics: MetricsSection,
    sms: SmsConfig,
    providers: ProvidersConfig,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WorkerSection {
    name: String,
    concurrency: usize,
    prefetch: u16,
    retry_jitter: bool,
    #[serde(with = "duration_text")]
    drain_timeout: Duration,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct QueueSettings {
    name: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<QueueType>,
    owned: bool,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TopologySection {
    queue_type: QueueType,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DeadSection {
    max_length: u64,
    #[serde(with = "duration_text")]
    max_age: Duration,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct MetricsSection {
    listen: String,
}

/// The commented defaults.
pub(crate) fn manual() -> String {
    format!("{}{DEFAULT_TOML}", include_str!("../../config.default.toml"))
}

impl Settings {
    /// Reads defaults, file, environment and flags.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let overrides = [
            ("worker.concurrency", flags.concurrency.map(|number| number.to_string())),
            ("worker.name", flags.name.clone()),
            ("log.level", flags.level.clone()),
        ];
        let mut settings: Self = load(&manual(), flags.config.as_deref(), &overrides)?;
        if let Some(chosen) = &flags.queues {
            settings.queues = chosen.iter().map(|name| settings.queue(name)).collect();
        }
        settings.check_numbers()?;
        Ok(settings)
    }

    /// Everything that a start would find wrong without asking a server, and whether a stop ends before the service
    /// manager's limit.
    pub(crate) fn check(&self, stop_timeout: Option<StopTimeout>) -> Result<(), ConfigError> {
        self.keys.seal()?;
        self.amqp()?;
        self.redis.client()?;
        telemetry::check(&self.log)?;
        self.metrics_listen()?;
        self.provider()?;
        stop_timeout.map_or(Ok(()), |limit| {
            let options = self.options();
            limit.fits("worker.drain_timeout", options.drain_timeout, options.stops_within())
        })
    }

    pub(crate) fn amqp(&self) -> Result<AmqpConfig, ConfigError> {
        self.amqp.client(&format!("postrider-worker {}", self.name()))
    }

    /// The node name.
    pub(crate) fn name(&self) -> String {
        let host = hostname::get().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.worker.name.replace("%h", &host)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            name: self.name(),
            queues: self
                .queues
                .iter()
                .map(|queue| WorkQueue {
                    name: queue.name.clone(),
                    owned: queue.owned,
                    returns: queue.owned
                        && queue.kind.unwrap_or(self.topology.queue_type) == QueueType::Quorum,
                })
                .collect(),
            concurrency: self.worker.concurrency,
            prefetch: (self.worker.prefetch > 0).then_some(self.worker.prefetch),
            retry_jitter: self.worker.retry_jitter,
            drain_timeout: self.worker.drain_timeout,
            dead_max_length: self.dead.max_length,
        }
    }

    /// What this worker needs on the broker.
    pub(crate) fn topology(&self) -> Topology {
        let kind = self.topology.queue_type;
        let limits = DeadLimits { max_length: self.dead.max_length, max_age: self.dead.max_age };
        let mut topology = Topology::default().dead_queue(kind, limits).probe_queue();
        for queue in &self.queues {
            topology = if queue.owned {
                topology.work_queue(&queue.name, queue.kind.unwrap_or(kind))
            } else {
                topology.foreign_queue(&queue.name).unclaimed_queue(&queue.name)
            };
        }
        topology.delay_ladder(kind, self.queues.iter().map(|queue| queue.name.as_str()))
    }

    /// What an operator should know who chose classic queues.
    pub(crate) fn classic_warning(&self) -> Option<&'static str> {
        (self.topology.queue_type == QueueType::Classic).then_some(
            "classic queues: a broker that is killed may lose retries that wait in the delay queues, and no queue is \
             replicated",
        )
    }

    pub(crate) fn metrics_listen(&self) -> Result<Option<SocketAddr>, ConfigError> {
        let text = &self.metrics.listen;
        let address = || {
            text.parse().map_err(|_| {
                ConfigError::key(
                    "metrics.listen",
                    format!("{text:?} is not an address such as 127.0.0.1:9464"),
                )
            })
        };
        if text.is_empty() { Ok(None) } else { address().map(Some) }
    }

    /// The chosen provider and how it is used.
    pub(crate) fn provider(&self) -> Result<(Arc<dyn Provider>, SendPolicy), ConfigError> {
        let provider =
            providers::build(self.sms.provider, &self.providers, Clock::System).map_err(|e| told(&e))?;
        let policy = self.sms.send_policy(&*provider).map_err(|error| told(&error))?;
        Ok((provider, policy))
    }

    fn queue(&self, name: &str) -> QueueSettings {
        let listed = self.queues.iter().find(|queue| queue.name == name).cloned();
        listed.unwrap_or_else(|| QueueSettings { name: name.into(), kind: None, owned: false })
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        if self.queues.is_empty() {
            return Err(ConfigError::key("queues", "must name at least one queue"));
        }
        for queue in &self.queues {
            let section =
                QueueSection { name: queue.name.clone(), kind: QueueType::Quorum, owned: queue.owned };
            section.check("queues.name")?;
        }
        if !(1..=100_000).contains(&self.worker.concurrency) {
            return Err(ConfigError::key("worker.concurrency", "must be 1 to 100000"));
        }
        if self.dead.max_length == 0 || self.dead.max_age.is_zero() {
            return Err(ConfigError::key("dead", "max_length and max_age must be above 0"));
        }
        Ok(())
    }
}

/// A provider's error with what caused it; its text begins with the key.
fn told(error: &ProviderConfigError) -> ConfigError {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    ConfigError::Value(format!("{error}{cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &Flags) -> Settings {
        Settings::load(flags).unwrap()
    }

    #[test]
    fn the_defaults_are_a_working_configuration_but_for_the_keys() {
        let settings = settings(&Flags::default());

        assert!(settings.check(None).unwrap_err().to_string().starts_with("keys.seal_file"));
        assert_eq!(settings.options().queues, [WorkQueue { name: "sms".into(), owned: true, returns: true }]);
        assert_eq!(settings.options().concurrency, 1000);
    }

    #[test]
    fn a_queue_that_is_not_listed_is_another_programs() {
        let flags = Flags { queues: Some(vec!["celery".into(), "sms".into()]), ..Flags::default() };

        let queues = settings(&flags).options().queues;

        assert_eq!(queues.iter().map(|queue| queue.owned).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_dump_holds_no_password() {
        let dumped = serde_json::to_string(&settings(&Flags::default())).unwrap();

        assert!(dumped.contains("amqp://******@127.0.0.1"), "{dumped}");
        assert!(!dumped.contains("guest"), "{dumped}");
    }
}
