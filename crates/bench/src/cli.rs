//! The command line.

use clap::{Parser, Subcommand};

use crate::{cases, roles};

/// Measures Postrider beside its peers.
#[derive(Debug, Parser)]
#[command(name = "postrider-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the cases and writes the report; scripts/bench starts it with all that it needs.
    Run(cases::Args),
    /// Puts no-op tasks into a queue, as Celery would.
    Preload(roles::preload::Args),
    /// Part: a worker with one task that does nothing, on the engine.
    NoopWorker(roles::noop_worker::Args),
    /// Part: the ceiling of a worker, a bare loop that acks many at once.
    ConsumeLoop(roles::consume_loop::Args),
    /// Part: enqueues through the producer.
    Enqueue(roles::enqueue::Args),
    /// Part: the ceiling of a producer, a bare publisher.
    PublishLoop(roles::publish_loop::Args),
    /// Part: the ceiling of the api, a route with one script and one confirmed publish.
    BareRoute(roles::bare_route::Args),
    /// Asks an api or a view for codes, for profiling.
    Load(roles::load::Args),
}

/// Runs a command to its end.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(args) => runtime()?.block_on(cases::run(args)),
        Command::Preload(args) => runtime()?.block_on(roles::preload::run(args)),
        Command::NoopWorker(args) => runtime()?.block_on(roles::noop_worker::run(args)),
        Command::ConsumeLoop(args) => runtime()?.block_on(roles::consume_loop::run(args)),
        Command::Enqueue(args) => runtime()?.block_on(roles::enqueue::run(args)),
        Command::PublishLoop(args) => runtime()?.block_on(roles::publish_loop::run(args)),
        // The HTTP server brings a runtime for each of its threads, on the one that the api has too.
        Command::BareRoute(args) => runtime()?.block_on(roles::bare_route::run(args)),
        Command::Load(args) => runtime()?.block_on(roles::load::run(args)),
    }
}

/// The runtime that the shipped binaries have.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
