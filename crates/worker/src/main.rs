//! `postrider-worker`: the SMS worker.

mod sms;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    sms::cli::run(sms::cli::Cli::parse())
}
