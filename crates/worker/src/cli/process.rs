//! A worker's process from its start to its end, in the order in which a start can fail.
//!
//! 1. [`Process::begin`]: the log, the file with the process id, the signals.
//! 2. [`Process::connect`]: the broker, and what is there. Only then a port is bound for metrics: by a configuration that
//!    can be used.
//! 3. [`Process::work`]: what lies in the queues is thrown away if that was asked for, then the worker works until it is
//!    stopped.
//! 4. The [`End`] says whether the same program is to be started anew in this process's place, unless a stop for good still
//!    comes before that.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use postrider_core::broker::{AmqpBroker, Broker, Liveness, TopologyError};
use postrider_core::clock::Clock;
use postrider_core::config::ConfigError;
use postrider_core::notify::{self, Condition};
use postrider_core::seal::KeyRing;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::Registry;
use postrider_core::{metrics, telemetry};

use super::answer::Failure;
use super::flags::Flags;
use super::pidfile::PidFile;
use super::settings::EngineSettings;
use super::signals::{self, Running};
use crate::Worker;
use crate::options::GIVE_UP;

/// The wait before a broker that does not answer is asked again to purge a queue.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A worker's process.
pub struct Process {
    shutdown: Shutdown,
    running: Running,
    purges: bool,
    /// Removed when the process ends.
    _pidfile: Option<PidFile>,
}

/// How a worker's process ends.
#[derive(Debug, Clone)]
pub enum End {
    /// For good.
    Stop,
    /// The same program is to be started anew in its place, unless this is asked to stop for good before that.
    Restart(Shutdown),
}

impl Process {
    /// Starts the log, writes the process id down and listens for signals.
    pub fn begin(settings: &EngineSettings, flags: &Flags) -> Result<Self, Failure> {
        let node = settings.worker.name();
        match flags.path(flags.logfile.as_ref(), &node) {
            Some(path) => telemetry::init_into(&settings.log, &path)?,
            None => telemetry::init(&settings.log)?,
        }
        for note in flags.notes().into_iter().chain(settings.worker.pool_notes()) {
            tracing::info!("{note}");
        }
        if let Some(warning) = settings.classic_warning() {
            tracing::warn!("{warning}");
        }
        for queue in settings.priority_warnings() {
            tracing::warn!(queue.name = %queue, "max_priority counts for nothing on a quorum queue: use two queues");
        }
        let pidfile = flags.path(flags.pidfile.as_ref(), &node).map(PidFile::create).transpose()?;
        let (shutdown, running) = (Shutdown::new(), Running::default());
        let grace = settings.worker.soft_shutdown_timeout();
        signals::obey(shutdown.clone(), grace, Arc::clone(&running)).context("cannot listen for signals")?;
        Ok(Self { shutdown, running, purges: flags.purge, _pidfile: pidfile })
    }

    /// What stops the process.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Starts to connect, and says what cannot be used of what is there.
    pub async fn connect(&self, settings: &EngineSettings) -> Result<Broker, Failure> {
        let (amqp, listen) = (settings.amqp()?, settings.metrics_listen()?);
        settings.results.check()?;
        let broker = AmqpBroker::start(amqp, settings.topology(), &self.shutdown);
        if let Err(error @ TopologyError::Mismatch(..)) = broker.first_look().await {
            return Err(ConfigError::key("topology", error.to_string()).into());
        }
        if let Some(listen) = listen {
            metrics::serve(listen).with_context(|| format!("metrics.listen: cannot listen on {listen}"))?;
        }
        Ok(Broker::Amqp(broker))
    }

    /// Ends before there is a worker, as it was asked to: waits for what was spawned meanwhile.
    pub async fn leave(self) -> End {
        self.shutdown.drained(GIVE_UP).await;
        if self.shutdown.is_restart() { End::Restart(self.shutdown) } else { End::Stop }
    }

    /// Works until the stop. Dead letters are sealed with the keys, if there are any.
    pub async fn work<S: Send + Sync + 'static>(
        self,
        settings: &EngineSettings,
        registry: Registry<S>,
        services: Arc<S>,
        broker: Broker,
        keys: Option<KeyRing>,
    ) -> Result<End, Failure> {
        let (shutdown, results) = (&self.shutdown, settings.results.options());
        let store = settings.results.open(&broker, &Clock::System, shutdown)?;
        let options = settings.options_for(registry.only_blocks());
        let mut worker = Worker::new(registry, services, broker.clone(), options)
            .map_err(|error| ConfigError::key("worker", error.to_string()))?
            .results(store, results);
        if let Some(keys) = keys {
            worker = worker.keys(keys);
        }
        let queues: Vec<String> = worker.options().queues.iter().map(|queue| queue.name.clone()).collect();
        if self.purges {
            self.purge(&broker, &queues).await?;
        }
        // Nobody else sets it.
        let _ = self.running.set(worker.tracker());
        let drained = worker.run_watched(shutdown, |live| tell(shutdown, live, queues.join(", "))).await;
        match (shutdown.is_restart(), drained) {
            (true, _) => Ok(End::Restart(shutdown.clone())),
            (false, true) => Ok(End::Stop),
            (false, false) => {
                Err(anyhow!("stopped before all tasks were done; they are back in their queues").into())
            }
        }
    }

    /// Throws away what lies in the queues, before anything is taken from them.
    async fn purge(&self, broker: &Broker, queues: &[String]) -> Result<(), Failure> {
        for queue in queues {
            loop {
                match broker.purge(queue).await {
                    Ok(count) => {
                        tracing::warn!(queue.name = %queue, count, "purged: messages were thrown away");
                        break;
                    }
                    Err(TopologyError::Unreachable(error)) => {
                        tracing::warn!(queue.name = %queue, %error, "cannot purge yet: the broker does not answer");
                    }
                    Err(error) => return Err(anyhow!(error).context(format!("cannot purge {queue}")).into()),
                }
                tokio::select! {
                    () = self.shutdown.soft().cancelled() => return Ok(()),
                    () = tokio::time::sleep(ASK_AGAIN) => {}
                }
            }
        }
        Ok(())
    }
}

/// Tells the service manager whether it works: it is ready when it first holds a live consumer.
fn tell(shutdown: &Shutdown, live: Liveness, queues: String) {
    notify::follow(shutdown, "Stopping: taking nothing more, finishing the tasks that run", move || {
        let ready = live.is_live();
        let doing = if ready { "Consuming from" } else { "Not ready: RabbitMQ does not answer; waiting for" };
        std::future::ready(Condition { ready, status: format!("{doing} {queues}") })
    });
}
