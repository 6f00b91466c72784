//! Sends through a provider that takes 200 ms: how many a second with 1,000 at once, and in how much memory.
//!
//! 1. A queue is filled with SMS tasks, each for another number: sealed for us, as `delay(mobile, code)` for Celery.
//! 2. The worker is started. After a second the provider's count is the beginning, near the end of the queue the end.
//! 3. In the end every number has had its SMS exactly once.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::sleep;

use super::{Case, Contender, Figure, Goal, Kind, Spec};
use crate::rig::contenders::{Pool, Rig};
use crate::rig::process::Contender as Process;
use crate::rig::provider::Provider;
use crate::rig::{redis, sms};

pub(crate) struct Sends;

const QUEUE: &str = "bench.sends";
/// What a call to the provider takes.
const WAIT: Duration = Duration::from_millis(200);

static SPEC: Spec = Spec {
    name: "sends",
    title: "SMS through a provider that takes 200 ms, 1,000 at once in one worker",
    notes: "The ideal is 1,000 / 0.2 s = 5,000/s. Ours opens a sealed task from a quorum queue, keeps a send record in Redis \
            (two commands), signs and posts. Celery's task posts two arguments through a pooled session and keeps \
            nothing: `-P eventlet -c 1000`, as the tutorial starts it, gevent, and threads.",
    figures: &[
        Figure { name: "sends/s", digits: 0, less_is_better: false },
        Figure { name: "peak memory, MB", digits: 1, less_is_better: true },
        Figure { name: "CPU µs a send", digits: 0, less_is_better: true },
    ],
    contenders: &[
        Contender { id: "ours", label: "Postrider", kind: Kind::Ours },
        Contender { id: "eventlet", label: "Celery, eventlet", kind: Kind::Peer },
        Contender { id: "gevent", label: "Celery, gevent", kind: Kind::Peer },
        Contender { id: "threads", label: "Celery, threads", kind: Kind::Peer },
    ],
    goals: &[Goal::AtLeast(0, 4750.0), Goal::AtMost(1, 100.0)],
};

#[async_trait(?Send)]
impl Case for Sends {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        let ours = contender == "ours";
        let count = if ours { 32_000 } else { 3_000 } / if rig.quick { 2 } else { 1 };
        redis::flush(&rig.redis_url).await?;
        rig.watch.remove(QUEUE).await?;
        let provider = Provider::start(WAIT).await?;
        sms::fill(rig, QUEUE, count, ours).await?;
        let pool = |kind| Pool { kind, concurrency: 1000, prefetch_multiplier: 2, tracked: false };
        let worker = match contender {
            "eventlet" => rig.celery(QUEUE, pool("eventlet"), &provider.url()).await?,
            "gevent" => rig.celery(QUEUE, pool("gevent"), &provider.url()).await?,
            "threads" => rig.celery(QUEUE, pool("threads"), &provider.url()).await?,
            _ => rig.worker(QUEUE, &provider.url()).await?,
        };
        let values = sends(&provider, &worker, count).await?;
        worker.finish().await?;
        anyhow::ensure!(rig.watch.ready(QUEUE).await? == 0, "messages went back to the queue");
        let sent = provider.arrivals()?.iter().flatten().count();
        anyhow::ensure!(u64::try_from(sent)? == count, "{sent} numbers got an SMS of {count}");
        rig.watch.remove(QUEUE).await?;
        rig.watch.remove(&format!("{QUEUE}.returned")).await?;
        Ok(values)
    }
}

async fn sends(provider: &Provider, worker: &Process, count: u64) -> anyhow::Result<Vec<f64>> {
    let deadline = Instant::now() + Duration::from_mins(2);
    let mut peak = 0;
    // The first calls all come at once, and so do the next, 200 ms later; that has evened out after a while.
    let warm = count / 6;
    let (mut begin, mut end) = (None, None);
    // The last tenth runs while fewer than 1,000 are left.
    let full = count - count / 10;
    while provider.taken() < count {
        let (taken, usage) = (provider.taken(), worker.usage()?);
        let now = (Instant::now(), taken, usage.cpu);
        peak = peak.max(usage.memory);
        if taken >= warm {
            begin.get_or_insert(now);
        }
        if taken <= full {
            end = Some(now);
        }
        anyhow::ensure!(Instant::now() < deadline, "{taken} of {count} were sent in two minutes");
        sleep(Duration::from_millis(50)).await;
    }
    // The last answers are on their way.
    sleep(WAIT + Duration::from_millis(800)).await;
    let (Some((from, first, cpu_from)), Some((to, last, cpu_to))) = (begin, end) else {
        anyhow::bail!("it was over before it could be measured")
    };
    #[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]
    let (sent, memory) = (last.saturating_sub(first) as f64, peak as f64 / 1e6);
    let cpu = cpu_to.saturating_sub(cpu_from).as_secs_f64() * 1e6 / sent;
    Ok(vec![sent / (to - from).as_secs_f64(), memory, cpu])
}
