//! `postrider-worker`: the SMS worker.

mod sms;

use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

/// Messages and their headers are many small pieces that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sms::cli::run(sms::cli::Cli::parse())
}
