//! The SMS worker's settings: the engine's, and its own. What each key means stands in `config.default.toml`.

use std::sync::Arc;

use postrider_core::clock::Clock;
use postrider_core::config::{
    AmqpSection, ConfigError, KeysSection, LogSection, RedisSection, ResultsSection, StopTimeout, load,
};
use postrider_core::routes::Route;
use postrider_core::task::Registry;
use postrider_delivery::handlers;
use postrider_delivery::providers::config::{DEFAULT_TOML, ProviderConfigError, ProvidersConfig, SmsConfig};
use postrider_delivery::providers::{self, Provider};
use postrider_delivery::send::{SendPolicy, Services};
use postrider_worker::cli::settings::{
    ControlSection, DeadSection, EngineSettings, MANUAL, MetricsSection, Queues, TopologySection,
    WorkerSection,
};
use postrider_worker::cli::{Configuration, Failure, Flags};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// All settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub engine: EngineSettings,
    pub redis: RedisSection,
    pub keys: KeysSection,
    sms: SmsConfig,
    providers: ProvidersConfig,
}

/// The sections as they stand in a file, one beside the other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    worker: WorkerSection,
    queues: Queues,
    #[serde(default)]
    routes: Vec<Route>,
    topology: TopologySection,
    dead: DeadSection,
    amqp: AmqpSection,
    results: ResultsSection,
    control: ControlSection,
    log: LogSection,
    metrics: MetricsSection,
    redis: RedisSection,
    #[serde(default)]
    keys: KeysSection,
    sms: SmsConfig,
    providers: ProvidersConfig,
}

/// The commented defaults.
pub(crate) fn manual() -> String {
    format!("{MANUAL}{}{DEFAULT_TOML}", include_str!("config.default.toml"))
}

impl Settings {
    /// Reads defaults, file, environment and flags.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let mut settings: Self =
            load::<Sections>(&manual(), flags.config.as_deref(), &flags.overrides())?.into();
        settings.engine.apply(flags)?;
        Ok(settings)
    }

    /// The tasks, with the waits that were chosen.
    pub(crate) fn registry(&self) -> Registry<Services> {
        handlers::registry_with(self.sms.retry_delays)
    }

    /// The chosen provider and how it is used.
    pub(crate) fn provider(&self) -> Result<(Arc<dyn Provider>, SendPolicy), ConfigError> {
        let provider =
            providers::build(self.sms.provider, &self.providers, Clock::System).map_err(|e| told(&e))?;
        let policy = self.sms.send_policy(&*provider).map_err(|error| told(&error))?;
        Ok((provider, policy))
    }
}

impl Configuration for Settings {
    fn engine(&self) -> &EngineSettings {
        &self.engine
    }

    fn check(&self, stop_timeout: Option<StopTimeout>) -> Result<(), Failure> {
        self.keys.seal()?;
        self.redis.client()?;
        self.provider()?;
        Ok(self.engine.check(stop_timeout)?)
    }
}

impl From<Sections> for Settings {
    fn from(sections: Sections) -> Self {
        let Sections { worker, queues, routes, topology, dead, amqp, results, control, log, metrics, .. } =
            sections;
        Self {
            engine: EngineSettings {
                worker,
                queues,
                routes,
                topology,
                dead,
                amqp,
                results,
                control,
                log,
                metrics,
            },
            redis: sections.redis,
            keys: sections.keys,
            sms: sections.sms,
            providers: sections.providers,
        }
    }
}

impl Serialize for Settings {
    /// As they stand in a file.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let engine = serde_json::to_value(&self.engine).map_err(serde::ser::Error::custom)?;
        let Value::Object(engine) = engine else { unreachable!("sections are a map") };
        let mut map = serializer.serialize_map(None)?;
        for (name, section) in &engine {
            map.serialize_entry(name, section)?;
        }
        map.serialize_entry("redis", &self.redis)?;
        map.serialize_entry("keys", &self.keys)?;
        map.serialize_entry("sms", &self.sms)?;
        map.serialize_entry("providers", &self.providers)?;
        map.end()
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

    #[test]
    fn the_defaults_are_a_working_configuration_but_for_the_keys() {
        let settings = Settings::load(&Flags::default()).unwrap();

        assert!(settings.check(None).unwrap_err().to_string().starts_with("keys.seal_file"));
        let queues = settings.engine.options().queues;
        assert_eq!(
            queues.iter().map(|queue| (&*queue.name, queue.owned)).collect::<Vec<_>>(),
            [("sms", true)]
        );
    }

    #[test]
    fn a_dump_has_the_sections_of_a_file() {
        let dumped = serde_json::to_value(Settings::load(&Flags::default()).unwrap()).unwrap();

        for section in ["worker", "queues", "results", "control", "redis", "keys", "sms", "providers"] {
            assert!(dumped.get(section).is_some(), "{section}");
        }
    }
}
