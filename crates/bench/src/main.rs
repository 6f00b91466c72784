//! `postrider-bench`: what Postrider does in a second, beside the tutorial's stack, celery-rs and the bare ceilings.
//!
//! `run` starts every contender in turn, puts load on it, and measures it from outside. The other commands are the parts
//! that it starts; by hand they serve for profiling.

mod cases;
mod cli;
mod report;
mod rig;
mod roles;

use clap::Parser as _;
use mimalloc::MiMalloc;

/// What api and worker are shipped with, for the worker that is linked here and for the ceilings.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> anyhow::Result<()> {
    cli::run(cli::Cli::parse())
}
