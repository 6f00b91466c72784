//! The command line, and the exit code of what it asks for.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use postrider_core::config::{ConfigError, EX_CONFIG};
use tokio::runtime::Builder;

use super::config::Settings;
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

/// Flags that stand above the configuration file and the environment.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// The configuration file (TOML). `config default` prints the manual.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How many tasks run at once.
    #[arg(short = 'c', long, global = true, value_name = "N")]
    pub concurrency: Option<usize>,
    /// The least level that is logged: error, warning, info, debug.
    #[arg(short = 'l', long = "loglevel", global = true, value_name = "LEVEL")]
    pub level: Option<String>,
    /// The queues to consume, with commas between them.
    #[arg(short = 'Q', long, global = true, value_delimiter = ',', value_name = "QUEUES")]
    pub queues: Option<Vec<String>>,
    /// The node name; %h is the host name.
    #[arg(short = 'n', long = "hostname", global = true, value_name = "NAME")]
    pub name: Option<String>,
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
    Check,
    /// Prints the settings in force, secrets starred, as JSON.
    Dump,
    /// Prints the commented defaults.
    Default,
}

/// How a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration: exit code 78.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Anything else: exit code 1.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
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
        Some(Command::Config(ConfigCommand::Check)) => {
            settings.check()?;
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

/// A command's answer.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub(crate) fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the last words of a command; logging may not have started")]
fn eprint(failure: &Failure) {
    eprintln!("postrider-worker: {failure}");
}
