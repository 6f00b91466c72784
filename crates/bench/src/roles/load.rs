//! Load by hand, for profiling what is asked.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::rig::asks;

/// Whom to ask, and how hard.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it listens.
    #[arg(long)]
    address: SocketAddr,
    /// It is the tutorial's view, not the api.
    #[arg(long)]
    tutorial: bool,
    /// Requests a second; without it as many as 64 connections get answered.
    #[arg(long)]
    rate: Option<u32>,
    /// Connections of a load without a rate.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long it is counted, after a second that is not.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// The first number to ask for. A number gets one code a minute.
    #[arg(long, default_value_t = 0)]
    first: u64,
}

#[expect(clippy::print_stdout, reason = "the figures are what the caller asks for")]
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let target =
        if args.tutorial { asks::sms_codes(args.address) } else { asks::verifications(args.address) };
    target.next.store(args.first, Ordering::Relaxed);
    let (warm_up, lasts) = (Duration::from_secs(1), Duration::from_secs_f64(args.seconds));
    let outcome = match args.rate {
        Some(rate) => target.open(rate, warm_up, lasts).await?,
        None => target.closed(args.connections, warm_up, lasts).await?,
    };
    println!(
        "{:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms; the next number is {}",
        outcome.rate(),
        outcome.milliseconds(0.5),
        outcome.milliseconds(0.99),
        target.next.load(Ordering::Relaxed)
    );
    Ok(())
}
