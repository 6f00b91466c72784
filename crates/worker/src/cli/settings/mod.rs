//! The sections of a configuration that are about the engine. What each key means stands in `config.default.toml`.
//!
//! A program's configuration is these sections, and its own beside them: the SMS worker adds Redis, keys and providers.

mod control;
mod limits;
mod queues;
mod worker;

use std::net::SocketAddr;
use std::time::Duration;

use postrider_core::broker::AmqpConfig;
use postrider_core::broker::topology::{DeadLimits, QueueSpec, QueueType, Topology};
use postrider_core::config::{
    AmqpSection, ConfigError, LogSection, ResultsSection, StopTimeout, duration_text, load,
};
use postrider_core::routes::Route;
use postrider_core::telemetry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use control::ControlSection;
pub use queues::Queues;
pub use worker::WorkerSection;

use super::flags::Flags;
use crate::{IntakeOptions, Options, WorkQueue};

/// The settings of the engine.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSettings {
    /// `[worker]`.
    pub worker: WorkerSection,
    /// `[[queues]]`.
    pub queues: Queues,
    /// `[[routes]]`.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// `[topology]`.
    pub topology: TopologySection,
    /// `[dead]`.
    pub dead: DeadSection,
    /// `[amqp]`.
    pub amqp: AmqpSection,
    /// `[results]`.
    pub results: ResultsSection,
    /// `[control]`.
    pub control: ControlSection,
    /// `[log]`.
    pub log: LogSection,
    /// `[metrics]`.
    pub metrics: MetricsSection,
}

/// `[topology]`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopologySection {
    queue_type: QueueType,
}

/// `[dead]`.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeadSection {
    keep_failed: bool,
    max_length: u64,
    #[serde(with = "duration_text")]
    max_age: Duration,
}

/// `[metrics]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSection {
    listen: String,
}

/// The commented defaults of the engine's sections, all but `[[queues]]`, which are the program's.
pub const MANUAL: &str = include_str!("../../../config.default.toml");

impl EngineSettings {
    /// Reads defaults, file, environment and flags. `manual` are the program's commented defaults, which begin with
    /// [`MANUAL`].
    pub fn load(manual: &str, flags: &Flags) -> Result<Self, ConfigError> {
        let mut settings: Self = load(manual, flags.config.as_deref(), &flags.overrides())?;
        settings.apply(flags)?;
        Ok(settings)
    }

    /// What flags say that are no plain values: `-Q` and `-X`. Then looks whether the numbers can be used.
    pub fn apply(&mut self, flags: &Flags) -> Result<(), ConfigError> {
        self.queues.choose(flags.queues.as_deref(), flags.exclude_queues.as_deref().unwrap_or_default());
        self.queues.check()?;
        self.worker.check()?;
        if self.dead.max_length == 0 || self.dead.max_age.is_zero() {
            return Err(ConfigError::key("dead", "max_length and max_age must be above 0"));
        }
        Ok(())
    }

    /// Everything that a start would find wrong without asking a server, and whether a stop ends before the service
    /// manager's limit.
    pub fn check(&self, stop_timeout: Option<StopTimeout>) -> Result<(), ConfigError> {
        self.amqp()?;
        self.results.check()?;
        telemetry::check(&self.log)?;
        self.metrics_listen()?;
        self.worker.check_stop()?;
        let options = self.options();
        match (stop_timeout, options.stops_within()) {
            (None, _) => Ok(()),
            (Some(limit), Some(longest)) => {
                limit.fits("worker.drain_timeout", options.drain_timeout, longest)
            }
            (Some(_), None) => Err(ConfigError::key(
                "worker.drain_timeout",
                "with 0s a stop waits for the tasks that run however long they take, and the service manager would kill \
                 the process meanwhile. Give it a length, or set TimeoutStopSec=infinity and leave out --stop-timeout",
            )),
        }
    }

    /// How the broker is talked to.
    pub fn amqp(&self) -> Result<AmqpConfig, ConfigError> {
        self.amqp.client(&format!("postrider-worker {}", self.worker.name()))
    }

    /// How the worker works.
    pub fn options(&self) -> Options {
        let kind = self.topology.queue_type;
        let work =
            |spec: QueueSpec| WorkQueue { returns: spec.returns(), owned: spec.owned, name: spec.name };
        let worker = &self.worker;
        Options {
            name: worker.name(),
            queues: self.queues.consumed(kind).map(work).collect(),
            routes: self.routes.clone(),
            pool: worker.pool(),
            concurrency: worker.places(),
            threads: worker.threads(),
            most_stuck_threads: worker.stuck_threads(),
            time_limits: worker.time_limits(),
            retry_jitter: worker.retry_jitter(),
            drain_timeout: worker.drain_timeout(),
            dead_letters: self.dead.keep_failed,
            dead_max_length: self.dead.max_length,
            intake: IntakeOptions { known: self.queues.known(kind), ..worker.intake() },
            control: self.control.options(worker.state_file()),
            shown_settings: self.shown(),
            ..Options::default()
        }
    }

    /// The same for a program's tasks. Where each of them blocks, places without a thread would only keep messages from
    /// other workers: a pool whose size nobody chose is one of threads.
    pub fn options_for(&self, tasks_only_block: bool) -> Options {
        if !tasks_only_block || self.worker.chooses_pool() {
            return self.options();
        }
        let worker = self.worker.of_threads();
        Self { worker, ..self.clone() }.options()
    }

    /// What this worker needs on the broker.
    pub fn topology(&self) -> Topology {
        let kind = self.topology.queue_type;
        let limits = DeadLimits { max_length: self.dead.max_length, max_age: self.dead.max_age };
        let mut topology = Topology::default().dead_queue(kind, limits).probe_queue();
        for queue in self.queues.consumed(kind) {
            topology = topology.queue(&queue);
        }
        let consumed: Vec<_> = self.queues.consumed(kind).collect();
        topology = topology.celery_delays(&consumed, &self.queues.known(kind));
        topology.delay_ladder(kind, self.queues.chosen.iter().map(|queue| queue.name.as_str()))
    }

    /// What an operator should know who chose classic queues.
    pub fn classic_warning(&self) -> Option<&'static str> {
        (self.topology.queue_type == QueueType::Classic).then_some(
            "classic queues: a broker that is killed may lose retries that wait in the delay queues, and no queue is \
             replicated",
        )
    }

    /// Queues whose priorities count for nothing: they are quorum queues.
    pub fn priority_warnings(&self) -> Vec<String> {
        let specs = self.queues.consumed(self.topology.queue_type);
        specs.filter(QueueSpec::priority_is_ignored).map(|spec| spec.name).collect()
    }

    /// Where metrics are served.
    pub fn metrics_listen(&self) -> Result<Option<SocketAddr>, ConfigError> {
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

    /// What `inspect conf` shows, by Celery's names.
    fn shown(&self) -> Map<String, Value> {
        let results = self.results.options();
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let limits = self.worker.time_limits();
        let shown = json!({
            "result_backend": Some(self.results.shown()).filter(|url| !url.is_empty()),
            "result_expires": results.expires.map(|expires| expires.as_secs()),
            "result_extended": results.extended,
            "result_persistent": results.persistent,
            "task_track_started": results.track_started,
            "task_time_limit": seconds(limits.hard),
            "task_soft_time_limit": seconds(limits.soft),
            "worker_concurrency": self.worker.places(),
            "worker_pool": self.worker.pool().name(),
            "worker_soft_shutdown_timeout": self.worker.soft_shutdown_timeout().as_secs_f64(),
            "control_exchange": self.control.exchange(),
            "event_exchange": self.control.event_exchange(),
        });
        let Value::Object(shown) = shown else { unreachable!("it is written as an object") };
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolKind;

    const QUEUES: &str = "[[queues]]\nname = 'sms'\nowned = true\n";

    fn settings(flags: &Flags) -> EngineSettings {
        EngineSettings::load(&format!("{MANUAL}{QUEUES}"), flags).unwrap()
    }

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_defaults_are_a_working_configuration() {
        let settings = settings(&Flags::default());

        settings.check(None).unwrap();
        assert_eq!(settings.options().queues, [WorkQueue { name: "sms".into(), owned: true, returns: true }]);
        assert_eq!(settings.options().concurrency, 1000);
        assert_eq!(settings.options().control, crate::ControlOptions::default());
    }

    #[test]
    fn a_worker_whose_tasks_all_block_has_a_place_for_each_thread_unless_its_pool_was_chosen() {
        let by_default = settings(&Flags::default()).options_for(true);
        let mixed = settings(&Flags::default()).options_for(false);
        let chosen = settings(&Flags { concurrency: Some(50), ..Flags::default() }).options_for(true);

        assert_eq!((by_default.pool, by_default.concurrency), (PoolKind::Threads, by_default.threads));
        assert_eq!((mixed.pool, mixed.concurrency), (PoolKind::Async, 1000));
        assert_eq!((chosen.pool, chosen.concurrency), (PoolKind::Async, 50));
    }

    #[test]
    fn a_size_that_counts_for_nothing_is_said_to_be_ignored() {
        let ignored = |pool: Option<&str>, concurrency, autoscale: Option<&str>| {
            let (pool, autoscale) = (pool.map(str::to_owned), autoscale.map(str::to_owned));
            let flags = Flags { concurrency, pool, autoscale, ..Flags::default() };
            let notes = settings(&flags).worker.pool_notes();
            notes.iter().map(|note| note.split_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
        };

        assert_eq!(ignored(Some("solo"), Some(8), Some("10,3")), ["-c", "--autoscale"]);
        assert_eq!(ignored(None, Some(8), Some("10,3")), ["-c"]);
        let none: [&str; 0] = [];
        assert_eq!(ignored(Some("solo"), Some(1), None), none);
        assert_eq!(ignored(Some("threads"), Some(8), None), none);
        assert_eq!(ignored(None, None, Some("10,3")), none);
    }

    #[test]
    fn a_stop_without_a_bound_fits_no_stop_timeout_and_a_soft_one_must_fit_into_the_drain() {
        let mut settings = settings(&Flags::default());
        let minute: StopTimeout = "60s".parse().unwrap();
        let said = |checked: Result<(), ConfigError>| checked.unwrap_err().to_string();

        settings.worker.stops_after(Duration::ZERO, Duration::from_mins(1));
        settings.check(None).unwrap();
        assert!(said(settings.check(Some(minute))).contains("TimeoutStopSec=infinity"));
        settings.worker.stops_after(Duration::from_secs(25), Duration::from_secs(30));
        assert!(said(settings.check(None)).contains("worker.soft_shutdown_timeout"));
    }

    #[test]
    fn a_queue_that_is_not_listed_is_another_programs() {
        let flags = Flags { queues: Some(named(&["celery", "sms"])), ..Flags::default() };

        let queues = settings(&flags).options().queues;

        assert_eq!(queues.iter().map(|queue| queue.owned).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn what_is_excluded_is_not_consumed_and_may_be_added_later() {
        let flags = Flags {
            queues: Some(named(&["celery", "sms"])),
            exclude_queues: Some(named(&["sms"])),
            ..Flags::default()
        };

        let options = settings(&flags).options();

        assert_eq!(options.queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), ["celery"]);
        let known: Vec<_> =
            options.intake.known.iter().map(|spec| (spec.name.as_str(), spec.owned)).collect();
        assert_eq!(known, [("celery", false), ("sms", true)]);
        let nothing = Flags { exclude_queues: Some(named(&["sms"])), ..Flags::default() };
        let refused = EngineSettings::load(&format!("{MANUAL}{QUEUES}"), &nothing).unwrap_err();
        assert!(refused.to_string().contains("at least one queue"));
    }

    #[test]
    fn a_dump_holds_no_password() {
        let dumped = serde_json::to_string(&settings(&Flags::default())).unwrap();

        assert!(dumped.contains("amqp://******@127.0.0.1"), "{dumped}");
        assert!(!dumped.contains("guest"), "{dumped}");
    }
}
