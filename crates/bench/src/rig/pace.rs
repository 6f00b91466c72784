//! Many calls in flight for a while, and how many of them ended in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

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
}

impl Pace {
    /// Repeats the call, and prints how many ended a second. The first error ends it.
    #[expect(clippy::print_stdout, reason = "the rate is what the caller asks for")]
    pub(crate) async fn repeat<F, C>(self, call: F) -> anyhow::Result<()>
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = anyhow::Result<()>> + Send,
    {
        let (call, done) = (Arc::new(call), Arc::new(AtomicU64::new(0)));
        let begin = Instant::now() + Duration::from_secs_f64(self.warm_up);
        let end = begin + Duration::from_secs_f64(self.seconds);
        let mut loops = JoinSet::new();
        for _ in 0..self.in_flight {
            let (call, done) = (Arc::clone(&call), Arc::clone(&done));
            loops.spawn(async move {
                while Instant::now() < end {
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
        Ok(())
    }
}
