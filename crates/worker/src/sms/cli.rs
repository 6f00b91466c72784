//! The command line: the engine's, and what is about SMS.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use postrider_worker::cli::{self, Command as EngineCommand, ConfigCommand, End, Failure, Flags, print};

use super::config::Settings;
use super::{dead_letters, run};

const PROGRAM: &str = "postrider-worker";

/// Consumes SMS tasks and sends them through a provider.
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version)]
pub(crate) struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Engine(EngineCommand),
    /// The messages that could not be done.
    #[command(subcommand)]
    Dead(dead_letters::Command),
}

/// Does what was asked, and says how it went.
pub(crate) fn run(cli: Cli) -> ExitCode {
    cli::run(PROGRAM, async || obey(cli).await)
}

async fn obey(Cli { flags, command }: Cli) -> Result<End, Failure> {
    if let Some(Command::Engine(EngineCommand::Config(ConfigCommand::Default))) = command {
        print(super::config::manual().trim_end());
        return Ok(End::Stop);
    }
    let settings = Settings::load(&flags)?;
    match command {
        Some(Command::Dead(command)) => dead_letters::command(&settings, command).await?,
        Some(Command::Engine(command)) if !command.works() => command.obey(PROGRAM, &settings).await?,
        None | Some(Command::Engine(_)) => return run::worker(&settings, &flags).await,
    }
    Ok(End::Stop)
}
