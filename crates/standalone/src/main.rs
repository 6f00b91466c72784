//! `postrider`: producer and worker in one process, broker and stores in memory. The one-command start.
//!
//! No configuration, no keys to make, no server to run: pepper and seal are drawn at the start and die with the process.

mod app;
mod drawn;
mod outbox;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;

/// Sends and checks phone verification codes, all in this process; the SMS is printed here.
#[derive(Debug, Parser)]
#[command(name = "postrider", version)]
struct Cli {
    /// Where to listen. Loopback only: nobody needs a key here.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The least level that is logged: error, warning, info, debug.
    #[arg(short = 'l', long = "log-level", value_name = "LEVEL", default_value = "info")]
    level: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { listen, level } = Cli::parse();
    match app::run(listen, level).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            failure.exit_code()
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a command; logging may not have started")]
fn complain(failure: &app::Failure) {
    eprintln!("postrider: {failure}");
}
