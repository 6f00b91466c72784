//! A worker with tasks of its own, whole: from the command line to the exit code.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use postrider_core::shutdown::Shutdown;
use postrider_core::task::Registry;
use tokio::runtime::Builder;

use super::answer::{Failure, print, print_failure};
use super::commands::{Command, ConfigCommand};
use super::flags::Flags;
use super::process::{End, Process};
use super::restart;
use super::settings::{EngineSettings, MANUAL};

/// How long the end of a process waits for what blocks the runtime's own threads: a task that computes where it should
/// have waited, a `spawn_blocking` that does not return. Dropping a runtime waits for them for ever.
const LEAVE: Duration = Duration::from_secs(1);

/// A worker with tasks of its own.
pub struct App<S> {
    registry: Registry<S>,
    queue: String,
    owned: bool,
}

/// Why services could not be made.
pub type ServicesError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(about = "Runs tasks that Celery's clients call", version)]
struct Line {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Does what the command line asks for, with these tasks and the services that they share. It consumes Celery's queue
/// `celery` unless it is told otherwise.
pub fn main<S: Send + Sync + 'static>(registry: Registry<S>, services: S) -> ExitCode {
    App::new(registry).run(services)
}

/// Does what a command line asks for in a runtime, starts the program anew if that was asked for, and gives the exit code.
pub fn run(program: &str, obey: impl AsyncFnOnce() -> Result<End, Failure>) -> ExitCode {
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from);
    let ended = runtime.map_err(Failure::from).and_then(|runtime| {
        let ended = runtime.block_on(obey());
        runtime.shutdown_timeout(LEAVE);
        ended
    });
    let failure = match ended {
        // A stop for good may have come while the runtime ended, and nothing else is left that would see to it.
        Ok(End::Restart(shutdown)) if shutdown.is_restart() => restart::restart(),
        Ok(End::Restart(_) | End::Stop) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    print_failure(program, &failure);
    failure.exit_code()
}

impl<S: Send + Sync + 'static> App<S> {
    /// A worker with these tasks, which consumes Celery's queue `celery`.
    pub fn new(registry: Registry<S>) -> Self {
        Self { registry, queue: "celery".into(), owned: false }
    }

    /// Consumes another queue by default, which Python declares as it likes.
    #[must_use]
    pub fn queue(self, name: &str) -> Self {
        Self { queue: name.into(), owned: false, ..self }
    }

    /// Consumes a queue of its own by default: a quorum queue, unless the configuration says otherwise.
    #[must_use]
    pub fn owned_queue(self, name: &str) -> Self {
        Self { queue: name.into(), owned: true, ..self }
    }

    /// Does what the command line asks for, with the services that the tasks share.
    pub fn run(self, services: S) -> ExitCode {
        self.run_with(async |_| Ok(services))
    }

    /// The same with services that are made when the worker starts, in its runtime. What they spawn on the shutdown is
    /// waited for at the end. A stop meanwhile drops the future that makes them.
    pub fn run_with(self, services: impl AsyncFnOnce(&Shutdown) -> Result<S, ServicesError>) -> ExitCode {
        let program = program();
        let matches = Line::command().bin_name(&program).get_matches();
        let line = match Line::from_arg_matches(&matches) {
            Ok(line) => line,
            Err(error) => error.exit(),
        };
        run(&program, async || self.obey(&program, line, services).await)
    }

    async fn obey(
        self,
        program: &str,
        Line { flags, command }: Line,
        services: impl AsyncFnOnce(&Shutdown) -> Result<S, ServicesError>,
    ) -> Result<End, Failure> {
        let manual = self.manual();
        if let Some(Command::Config(ConfigCommand::Default)) = command {
            print(manual.trim_end());
            return Ok(End::Stop);
        }
        let settings = EngineSettings::load(&manual, &flags)?;
        if let Some(command) = command.filter(|command| !command.works()) {
            command.obey(program, &settings).await?;
            return Ok(End::Stop);
        }
        let process = Process::begin(&settings, &flags)?;
        let shutdown = process.shutdown().clone();
        let Some(made) = shutdown.soft().run_until_cancelled(services(&shutdown)).await else {
            return Ok(process.leave().await);
        };
        let services = made.map_err(|error| anyhow!(error).context("the services cannot be made"))?;
        let broker = process.connect(&settings).await?;
        process.work(&settings, self.registry, Arc::new(services), broker, None).await
    }

    fn manual(&self) -> String {
        let Self { queue, owned, .. } = self;
        format!("{MANUAL}\n[[queues]]\nname = {queue:?}\nowned = {owned}\n")
    }
}

/// The name that the program was started by.
fn program() -> String {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.is_empty() { "worker".into() } else { name }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, raise};

    use super::*;
    use crate::cli::signals;

    #[test]
    fn a_process_ends_although_a_thread_of_its_runtime_is_blocked() {
        let (_never, blocked) = std::sync::mpsc::channel::<()>();
        let (told, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            run("test", async || {
                tokio::task::spawn_blocking(move || blocked.recv());
                Ok(End::Stop)
            });
            told.send(()).unwrap();
        });

        ended.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn a_stop_while_the_runtime_ends_is_no_new_start() {
        let (shutdown, (obeying, obeyed)) = (Shutdown::new(), std::sync::mpsc::channel::<()>());
        signals::obey(shutdown.clone(), Duration::ZERO, signals::Running::default()).unwrap();
        let ending = shutdown.clone();
        shutdown.restart();

        run("test", async move || {
            // The runtime waits for it at its end.
            tokio::task::spawn_blocking(move || {
                obeyed.recv().unwrap_err();
                raise(Signal::SIGTERM).unwrap();
                while ending.is_restart() {
                    std::thread::yield_now();
                }
            });
            drop(obeying);
            Ok(End::Restart(shutdown))
        });
    }

    #[tokio::test]
    async fn a_stop_while_the_services_are_made_ends_the_worker() {
        let line = Line::try_parse_from(["test"]).unwrap();

        let ended = App::new(Registry::<()>::new())
            .obey("test", line, async |shutdown| {
                shutdown.stop();
                std::future::pending().await
            })
            .await;

        assert!(matches!(ended, Ok(End::Stop)));
    }
}
