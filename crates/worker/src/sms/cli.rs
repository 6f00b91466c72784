//! The command line, and the exit code of what it asks for.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use postrider_core::config::{EX_CONFIG, StopTimeout};
use tokio::runtime::Builder;

use super::answer::{Failure, print};
use super::config::Settings;
use super::flags::Flags;
use super::{dead_letters, run, topology};

/// Consumes SMS tasks and sends them through a provider.
#[derive(Debug, Parser)]
#[command(name = "postrider-worker", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The exchanges and queues on the broker.
    #[command(subcommand)]
    Topology(topology::Command),
    /// The messages that could not be done.
    #[command(subcommand)]
    Dead(dead_letters::Command),
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ConfigCommand {
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

/// Does what was asked, and says how it went.
pub(crate) fn run(cli: Cli) -> ExitCode {
    match obey(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint(&failure);
            match failure {
                Failure::Config(_) => ExitCode::from(EX_CONFIG),
                Failure::Other(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn obey(cli: Cli) -> Result<(), Failure> {
    let Cli { flags, command } = cli;
    if let Some(Command::Config(ConfigCommand::Default)) = command {
        print(super::config::manual().trim_end());
        return Ok(());
    }
    let settings = Settings::load(&flags)?;
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from)?;
    match command {
        None => runtime.block_on(run::worker(&settings)),
        Some(Command::Config(ConfigCommand::Check { stop_timeout })) => {
            settings.check(stop_timeout)?;
            print("the configuration is good");
            Ok(())
        }
        Some(Command::Config(ConfigCommand::Dump | ConfigCommand::Default)) => {
            print(&serde_json::to_string_pretty(&settings).map_err(anyhow::Error::from)?);
            Ok(())
        }
        Some(Command::Topology(command)) => runtime.block_on(topology::command(&settings, command)),
        Some(Command::Dead(command)) => runtime.block_on(dead_letters::command(&settings, command)),
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a command; logging may not have started")]
fn eprint(failure: &Failure) {
    eprintln!("postrider-worker: {failure}");
}
