//! The command line: `postrider-api` runs, its subcommands answer on standard output and end.
//!
//! Exit codes: 0, 78 for a configuration that cannot be used, 2 for a command line that cannot be read, 1 otherwise.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use postrider_core::clock::Clock;
use postrider_core::config::{ConfigError, EX_CONFIG, StopTimeout};
use postrider_core::telemetry;

use crate::app::{self, RunError};
use crate::config::{DEFAULTS, Settings};
use crate::key_generate::{self, KeyKind};
use crate::listen;

/// Postrider's producer: an HTTP service that issues and checks verification codes.
#[derive(Debug, Parser)]
#[command(name = "postrider-api", version)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Flags {
    /// The configuration file; its keys stand above the compiled-in defaults
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where to listen, instead of http.listen
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    listen: Option<String>,
    /// error, warn, info, debug, trace or a filter, instead of log.level
    #[arg(short, long, alias = "loglevel", value_name = "LEVEL", global = true)]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Makes keys
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ConfigCommand {
    /// Reads all of it, key files too, and says what is wrong
    Check {
        /// The service manager's limit on a stop, which must be longer than a stop takes
        #[arg(long, value_name = "DURATION")]
        stop_timeout: Option<StopTimeout>,
    },
    /// Shows the values in effect as JSON, secrets starred
    Dump,
    /// Shows the commented defaults, which are the manual
    Default,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum KeyCommand {
    /// Prints a fresh key and what belongs where
    Generate {
        /// What the key is for
        #[arg(long, value_enum, default_value_t = KeyKind::Secret)]
        kind: KeyKind,
    },
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    match obey(flags, command.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            exit_code(&error)
        }
    }
}

fn obey(flags: Flags, command: Option<&Command>) -> Result<(), RunError> {
    match command {
        None => run(flags)?,
        Some(Command::Config(ConfigCommand::Check { stop_timeout })) => {
            check(&flags.settings()?, *stop_timeout)?;
        }
        Some(Command::Config(ConfigCommand::Dump)) => dump(&flags.settings()?),
        Some(Command::Config(ConfigCommand::Default)) => print(DEFAULTS),
        Some(Command::Key(KeyCommand::Generate { kind })) => {
            print(&key_generate::generate(*kind, &Clock::System));
        }
    }
    Ok(())
}

fn exit_code(error: &RunError) -> ExitCode {
    match error {
        RunError::Config(_) => EX_CONFIG.into(),
        _ => ExitCode::FAILURE,
    }
}

impl Flags {
    fn settings(self) -> Result<Settings, ConfigError> {
        let flags = [("http.listen", self.listen), ("log.level", self.log_level)];
        Settings::load(self.config.as_deref(), &flags)
    }
}

fn run(flags: Flags) -> Result<(), RunError> {
    let inherited = listen::inherited()?;
    let settings = flags.settings()?;
    let threads = settings.http.settings()?.workers;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(app::run(&settings, inherited))
}

fn check(settings: &Settings, stop_timeout: Option<StopTimeout>) -> Result<(), ConfigError> {
    settings.plan()?;
    if let Some(limit) = stop_timeout {
        let http = settings.http.settings()?;
        let (key, set) =
            [("http.drain_delay", http.drain_delay), ("http.shutdown_timeout", http.shutdown_timeout)]
                .into_iter()
                .max_by_key(|(_, set)| *set)
                .expect("there are two");
        limit.fits(key, set, app::stops_within(&http))?;
    }
    telemetry::init(&settings.log)?;
    print("The configuration can be used.\n");
    Ok(())
}

fn dump(settings: &Settings) {
    let text = serde_json::to_string_pretty(settings).expect("settings are texts, numbers and lists");
    print(&format!("{text}\n"));
}

#[expect(clippy::print_stderr, reason = "the last words of a command; logging may not have started")]
fn complain(error: &RunError) {
    eprintln!("postrider-api: {error}");
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn print(text: &str) {
    print!("{text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_and_after_a_command_and_none_means_run() {
        let cli = parse("postrider-api --config a.toml -l debug --listen 127.0.0.1:0").unwrap();
        assert!(cli.command.is_none());
        assert_eq!(
            (cli.flags.listen.as_deref(), cli.flags.log_level.as_deref()),
            (Some("127.0.0.1:0"), Some("debug"))
        );

        for line in
            ["postrider-api --config a.toml config check", "postrider-api config check --config a.toml"]
        {
            let cli = parse(line).unwrap();
            assert_eq!(cli.flags.config, Some(PathBuf::from("a.toml")));
            assert!(matches!(cli.command, Some(Command::Config(ConfigCommand::Check { .. }))));
        }
    }

    #[test]
    fn a_key_is_an_apps_secret_unless_it_is_said_otherwise() {
        let kind = |line| match parse(line).unwrap().command {
            Some(Command::Key(KeyCommand::Generate { kind })) => kind,
            other => panic!("{other:?}"),
        };
        assert_eq!(kind("postrider-api key generate"), KeyKind::Secret);
        assert_eq!(kind("postrider-api key generate --kind seal"), KeyKind::Seal);
        assert!(parse("postrider-api key generate --kind other").is_err());
        assert!(parse("postrider-api --workers 3").is_err());
    }

    #[test]
    fn flags_stand_above_the_configuration_and_a_wrong_one_is_a_fault_of_it() {
        let settings = |line| parse(line).unwrap().flags.settings();

        assert_eq!(settings("postrider-api --listen 127.0.0.1:0").unwrap().http.listen.port(), 0);
        assert_eq!(settings("postrider-api -l warning").unwrap().log.level, "warning");
        let error = settings("postrider-api --listen here").unwrap_err();
        assert!(error.to_string().contains("http.listen"), "{error}");
        assert_eq!(format!("{:?}", exit_code(&error.into())), format!("{:?}", ExitCode::from(78)));
    }
}
