//! Many calls in flight for a while, and how many of them ended in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// How many calls at once and for how long.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Pace {
    /// Calls in flight.
    #[arg(long, default_value_t = 1000)]
    in_flight: usize,
    /// Seconds that are not counted, then seconds that are.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Calls a second; without it as many as there can be.
    #[arg(long)]
    rate: Option<f64>,
}

impl Pace {
    /// Repeats the call, and prints how many ended a second, and how many there were in all. The first error ends it.
    #[expect(clippy::print_stdout, reason = "the figures are what the caller asks for")]
    pub(crate) async fn repeat<F, C>(self, call: F) -> anyhow::Result<()>
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = anyhow::Result<()>> + Send,
    {
        let (call, done) = (Arc::new(call), Arc::new(AtomicU64::new(0)));
        let (start, turns) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let begin = start + Duration::from_secs_f64(self.warm_up);
        let end = begin + Duration::from_secs_f64(self.seconds);
        let mut loops = JoinSet::new();
        for _ in 0..self.in_flight {
            let (call, done, turns) = (Arc::clone(&call), Arc::clone(&done), Arc::clone(&turns));
            loops.spawn(async move {
                while Instant::now() < end {
                    let turn = turns.fetch_add(1, Ordering::Relaxed);
                    if let Some(rate) = self.rate {
                        sleep_until((start + turn_at(turn, rate)).into()).await;
                    }
                    call().await?;
                    let counted = (begin..end).contains(&Instant::now());
                    done.fetch_add(u64::from(counted), Ordering::Relaxed);
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = loops.join_next().await {
            ended??;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let rate = done.load(Ordering::Relaxed) as f64 / self.seconds;
        println!("rate {rate:.1}");
        println!("calls {}", turns.load(Ordering::Relaxed));
        Ok(())
    }
}

/// When a call's turn is, counted from the first one.
fn turn_at(turn: u64, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let turn = turn as f64;
    Duration::from_secs_f64(turn / rate)
}
