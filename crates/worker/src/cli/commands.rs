//! What a worker's command line can be asked to do, in any program.

use clap::Subcommand;
use postrider_core::config::StopTimeout;
use serde::Serialize;

use super::answer::{Failure, print};
use super::remote::{Asked, Asking};
use super::settings::EngineSettings;
use super::topology::{self, TopologyCommand};
use crate::control::CommandKind;

/// What a worker can be asked to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Works. The same without any command.
    Worker,
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The exchanges and queues on the broker.
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Asks workers: ping, active, reserved, scheduled, registered, stats, ..
    Inspect(Asked),
    /// Tells workers: revoke, terminate, autoscale, shutdown, ..
    Control(Asked),
    /// Which workers are there.
    Status(Asking),
}

/// Looks at the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Says whether the worker could start with it; exit code 78 if not.
    Check {
        /// The service manager's limit on a stop, which must be longer than a stop takes.
        #[arg(long, value_name = "DURATION")]
        stop_timeout: Option<StopTimeout>,
    },
    /// Prints the settings in force, secrets starred, as JSON.
    Dump,
    /// Prints the commented defaults.
    Default,
}

/// A program's configuration, as the commands look at it.
pub trait Configuration: Serialize + Sized {
    /// The part that is about the engine.
    fn engine(&self) -> &EngineSettings;

    /// Everything that a start would find wrong without asking a server, and whether a stop ends before the service
    /// manager's limit.
    fn check(&self, stop_timeout: Option<StopTimeout>) -> Result<(), Failure>;
}

impl Configuration for EngineSettings {
    fn engine(&self) -> &EngineSettings {
        self
    }

    fn check(&self, stop_timeout: Option<StopTimeout>) -> Result<(), Failure> {
        Ok(Self::check(self, stop_timeout)?)
    }
}

impl Command {
    /// Whether it is to work, and not to answer and end.
    pub fn works(&self) -> bool {
        matches!(self, Self::Worker)
    }

    /// Obeys a command that is not to work.
    pub async fn obey(self, program: &str, settings: &impl Configuration) -> Result<(), Failure> {
        let engine = settings.engine();
        match self {
            Self::Config(ConfigCommand::Check { stop_timeout }) => {
                settings.check(stop_timeout)?;
                print("the configuration is good");
                Ok(())
            }
            Self::Config(_) => {
                print(&serde_json::to_string_pretty(settings).map_err(anyhow::Error::from)?);
                Ok(())
            }
            Self::Topology(command) => topology::command(program, engine, command).await,
            Self::Inspect(asked) => asked.run(engine, CommandKind::Inspect).await,
            Self::Control(asked) => asked.run(engine, CommandKind::Control).await,
            Self::Status(asking) => asking.status(engine).await,
            Self::Worker => Ok(()),
        }
    }
}
