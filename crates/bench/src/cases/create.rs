//! A request for a code: how many a second are answered, and how long one takes.
//!
//! 1. 256 connections ask as fast as they are answered, a number each: more than any of the contenders needs to be
//!    busy. That is the throughput.
//! 2. Then 200 requests a second begin, whatever the stack could do: everybody is asked the same for its latency.
//! 3. In the end there are as many messages in the queue as requests were answered, and no answer was an error.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::sleep;

use super::{Case, Contender, Figure, Goal, Kind, Spec};
use crate::rig::broker::Queue;
use crate::rig::contenders::{Rig, TUTORIAL_GUNICORN, listening};
use crate::rig::process::Contender as Process;
use crate::rig::{asks, load::Target, redis};
use crate::roles::preload;

pub(crate) struct Create;

const QUEUE: &str = "bench.create";
const CONNECTIONS: usize = 256;
const RATE: u32 = 200;

static SPEC: Spec = Spec {
    name: "create",
    title: "A request for a code, answered once the task is queued",
    notes: "Ours is `POST /v1/verifications` with its defaults: limits, a sealed task, a quorum queue, a confirmed publish. \
            Django is the tutorial's view without the picture captcha, under gunicorn (2, 3 and 5 sync workers, \
            and 2 with 16 threads), with `delay()` as Celery does it: no confirm. The ceiling is a route on the same libraries with one script and one confirmed \
            publish of the same bytes. Throughput with 256 connections; latencies at 200 requests/s, from the instant at \
            which each was to begin.",
    figures: &[
        Figure { name: "requests/s", digits: 0, less_is_better: false },
        Figure { name: "p50 ms", digits: 2, less_is_better: true },
        Figure { name: "p99 ms", digits: 2, less_is_better: true },
        Figure { name: "CPU µs a request", digits: 0, less_is_better: true },
    ],
    contenders: &[
        Contender { id: "ours", label: "Postrider", kind: Kind::Ours },
        Contender { id: "django-2", label: "Django, 2 workers", kind: Kind::Peer },
        Contender { id: "django-3", label: "Django, 3 workers", kind: Kind::Peer },
        Contender { id: "django-5", label: "Django, 5 workers", kind: Kind::Peer },
        Contender { id: "django-threads", label: "Django, 2 with threads", kind: Kind::Peer },
        Contender { id: "ceiling", label: "bare route", kind: Kind::Ceiling },
    ],
    goals: &[
        Goal::Times(0.6, &["ceiling"]),
        Goal::Times(6.0, &["django-2", "django-3", "django-5", "django-threads"]),
    ],
};

#[async_trait(?Send)]
impl Case for Create {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        redis::flush(&rig.redis_url).await?;
        rig.watch.remove(QUEUE).await?;
        let (server, target) = match contender {
            "ceiling" => bare(rig).await?,
            "ours" => {
                let (server, address) = rig.api(QUEUE).await?;
                (server, asks::verifications(address))
            }
            django => {
                let (server, address) = rig.django(QUEUE, gunicorn(django)).await?;
                (server, asks::sms_codes(address))
            }
        };
        let values = ask(rig, &server, &target).await?;
        server.finish().await?;
        rig.watch.remove(QUEUE).await?;
        rig.watch.remove(&format!("{QUEUE}.returned")).await?;
        Ok(values)
    }
}

/// How many processes gunicorn has for this contender, and of which kind.
fn gunicorn(contender: &str) -> &'static str {
    match contender {
        "django-2" => "--worker-class sync --workers 2",
        "django-5" => "--worker-class sync --workers 5",
        "django-threads" => "--worker-class gthread --workers 2 --threads 16",
        _ => TUTORIAL_GUNICORN,
    }
}

async fn bare(rig: &Rig) -> anyhow::Result<(Process, Target)> {
    let queue = Queue { amqp_url: rig.amqp_url.clone(), name: QUEUE.into(), quorum: true };
    preload::fill(&queue, 0).await?;
    let servers = ["--amqp-url", &rig.amqp_url, "--redis-url", &rig.redis_url];
    let args = [["bare-route", "--queue", QUEUE].as_slice(), &servers].concat();
    let mut server = rig.part("bare-route", &args)?;
    server.prints("listening on http://").await?;
    let target = asks::verifications(listening(&server.output())?);
    Ok((server, target))
}

async fn ask(rig: &Rig, server: &Process, target: &Target) -> anyhow::Result<Vec<f64>> {
    let scale = if rig.quick { 0.4 } else { 1.0 };
    let seconds = |seconds: f64| Duration::from_secs_f64(seconds * scale);
    let idle = server.usage()?.cpu;
    let closed = target.closed(CONNECTIONS, seconds(1.0), seconds(5.0)).await?;
    let cpu = server.usage()?.cpu.saturating_sub(idle);
    let open = target.open(RATE, seconds(0.5), seconds(3.0)).await?;
    are_queued(rig, closed.all + open.all).await?;
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let cpu_each = cpu.as_secs_f64() * 1e6 / closed.all as f64;
    Ok(vec![closed.rate(), open.milliseconds(0.5), open.milliseconds(0.99), cpu_each])
}

/// Every answer stands for one message, no more and no less.
async fn are_queued(rig: &Rig, expected: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let queued = rig.watch.ready(QUEUE).await?;
        if queued == expected {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{queued} messages are queued for {expected} answers");
        sleep(Duration::from_millis(20)).await;
    }
}
