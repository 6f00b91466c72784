//! From the request to the provider: how long an SMS is on its way while so many a second are asked for.
//!
//! Requests begin at a fixed rate, and the time counts from the instant at which each was to begin until the provider has
//! its SMS, through api, queue and worker. An SMS that does not come within ten seconds fails the run.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use hdrhistogram::Histogram;
use tokio::time::sleep;

use super::{Case, Contender, Figure, Kind, Spec};
use crate::rig::contenders::{Pool, Rig, TUTORIAL_GUNICORN};
use crate::rig::load::milliseconds;
use crate::rig::provider::Provider;
use crate::rig::{asks, redis};

pub(crate) struct Latency;

const QUEUE: &str = "bench.latency";

static SPEC: Spec = Spec {
    name: "latency",
    title: "From the request to the provider, at a fixed rate",
    notes: "Api and one worker with 1,000 places; the provider takes 200 ms. The tutorial's stack (gunicorn with 3 sync \
            workers, Celery with `-P eventlet -c 1000`) is asked for 100 a second, because 1,000 are more than it does \
            on this machine.",
    figures: &[
        Figure { name: "p50 ms", digits: 2, less_is_better: true },
        Figure { name: "p99 ms", digits: 2, less_is_better: true },
    ],
    contenders: &[
        Contender { id: "ours", label: "Postrider at 1,000/s", kind: Kind::Ours },
        Contender { id: "ours-100", label: "Postrider at 100/s", kind: Kind::Ours },
        Contender { id: "tutorial-100", label: "Django and Celery at 100/s", kind: Kind::Peer },
    ],
    goals: &[],
};

#[async_trait(?Send)]
impl Case for Latency {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        redis::flush(&rig.redis_url).await?;
        rig.watch.remove(QUEUE).await?;
        let provider = Provider::start(Duration::from_millis(200)).await?;
        let (server, worker, target) = if contender == "tutorial-100" {
            let pool = Pool { kind: "eventlet", concurrency: 1000, prefetch_multiplier: 1, tracked: false };
            let worker = rig.celery(QUEUE, pool, &provider.url()).await?;
            let (server, address) = rig.django(QUEUE, TUTORIAL_GUNICORN).await?;
            (server, worker, asks::sms_codes(address))
        } else {
            let (server, address) = rig.api(QUEUE).await?;
            let worker = rig.worker(QUEUE, &provider.url()).await?;
            (server, worker, asks::verifications(address))
        };
        let rate = if contender == "ours" { 1000 } else { 100 };
        let lasts = Duration::from_secs_f64(if rig.quick { 2.0 } else { 4.0 });
        let outcome = target.open(rate, Duration::from_secs(1), lasts).await?;
        let latencies = arrivals(&provider, &outcome.began).await?;
        server.finish().await?;
        worker.finish().await?;
        rig.watch.remove(QUEUE).await?;
        rig.watch.remove(&format!("{QUEUE}.returned")).await?;
        Ok(vec![milliseconds(&latencies, 0.5), milliseconds(&latencies, 0.99)])
    }
}

/// Waits until the provider has an SMS for each request, and takes the times.
async fn arrivals(provider: &Provider, began: &[(u64, Instant)]) -> anyhow::Result<Histogram<u64>> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let arrived = provider.arrivals()?;
        let mut latencies = Histogram::new(3)?;
        for (number, at) in began {
            if let Some(arrival) = arrived.get(usize::try_from(*number)?).copied().flatten() {
                latencies.record(u64::try_from(arrival.saturating_duration_since(*at).as_micros())?)?;
            }
        }
        let missing = u64::try_from(began.len())? - latencies.len();
        if missing == 0 {
            return Ok(latencies);
        }
        anyhow::ensure!(Instant::now() < deadline, "{missing} SMS of {} did not arrive", began.len());
        sleep(Duration::from_millis(50)).await;
    }
}
