//! A task that does nothing: how many a second one worker process takes out of a full queue.
//!
//! 1. A classic queue, as Python declares it, is filled with the messages of `noop.delay()`.
//! 2. The worker is started. The first tenth is its warm-up.
//! 3. The rate is read from the queue's length, from outside and in the same way for everybody, until 2 % are left.
//! 4. In the end the queue is empty, and the worker's own count is the number of messages: each ran exactly once.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::sleep;

use super::{Case, Contender, Figure, Goal, Kind, Spec};
use crate::rig::broker::Queue;
use crate::rig::contenders::{Pool, Rig};
use crate::rig::process::{self, Contender as Process, Usage};
use crate::roles::preload;

pub(crate) struct Noop;

const QUEUE: &str = "bench.noop";

static SPEC: Spec = Spec {
    name: "noop",
    title: "A task that does nothing, in one worker",
    notes: "One classic queue as Python declares it, the same messages for everybody. Celery without events, results, \
            gossip, mingle and heartbeats, each pool with a prefetch of 64 a place: prefork of 2 (one a core) and 4 \
            processes, 8 threads, 100 greenlets of gevent, and solo. The ceiling is a loop on the same client library that acks up to 64 messages at once and decodes nothing.",
    figures: &[
        Figure { name: "tasks/s", digits: 0, less_is_better: false },
        Figure { name: "CPU µs a task", digits: 1, less_is_better: true },
        Figure { name: "peak memory, MB", digits: 1, less_is_better: true },
    ],
    contenders: &[
        Contender { id: "ours", label: "Postrider", kind: Kind::Ours },
        Contender { id: "prefork", label: "Celery, prefork", kind: Kind::Peer },
        Contender { id: "prefork-4", label: "Celery, prefork of 4", kind: Kind::Peer },
        Contender { id: "threads", label: "Celery, threads", kind: Kind::Peer },
        Contender { id: "gevent", label: "Celery, gevent", kind: Kind::Peer },
        Contender { id: "solo", label: "Celery, solo", kind: Kind::Peer },
        Contender { id: "celery-rs", label: "celery-rs 0.6", kind: Kind::Peer },
        Contender { id: "ceiling", label: "bare loop", kind: Kind::Ceiling },
    ],
    goals: &[
        Goal::Times(0.7, &["ceiling"]),
        Goal::Times(5.0, &["prefork", "prefork-4", "threads", "gevent", "solo"]),
        Goal::Times(1.0, &["celery-rs"]),
    ],
};

/// Celery's pools by the contender's id, each as large as serves it best.
const POOLS: [(&str, &str, u32); 5] = [
    ("prefork", "prefork", 2),
    ("prefork-4", "prefork", 4),
    ("threads", "threads", 8),
    ("gevent", "gevent", 100),
    ("solo", "solo", 1),
];
/// How many messages Celery may have a place.
const PREFETCH: u32 = 64;

#[async_trait(?Send)]
impl Case for Noop {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        let pool = POOLS.iter().find(|(id, ..)| *id == contender);
        let count = if pool.is_some() { 8_000 } else { 120_000 } / if rig.quick { 4 } else { 1 };
        let queue = Queue { amqp_url: rig.amqp_url.clone(), name: QUEUE.into(), quorum: false };
        rig.watch.remove(QUEUE).await?;
        preload::fill(&queue, count).await?;

        let worker = match (contender, pool) {
            (_, Some(&(_, kind, concurrency))) => {
                rig.celery(QUEUE, Pool { kind, concurrency, prefetch_multiplier: PREFETCH }, "").await?
            }
            ("celery-rs", _) => rig.celery_rs(QUEUE).await?,
            ("ceiling", _) => {
                rig.part("consume-loop", &["consume-loop", "--amqp-url", &rig.amqp_url, "--queue", QUEUE])?
            }
            _ => rig.part("noop-worker", &["noop-worker", "--amqp-url", &rig.amqp_url, "--queue", QUEUE])?,
        };
        let count = u64::try_from(count)?;
        let drained = drain(rig, &worker, count).await?;
        settle(rig, worker, count).await?;
        rig.watch.remove(QUEUE).await?;
        Ok(drained)
    }
}

/// Where the queue and the worker stood at one instant.
struct Mark {
    at: Instant,
    left: u64,
    usage: Usage,
}

async fn drain(rig: &Rig, worker: &Process, count: u64) -> anyhow::Result<Vec<f64>> {
    let begin = mark(rig, worker, count - count / 10).await?;
    let end = mark(rig, worker, count / 50).await?;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let tasks = (begin.left - end.left) as f64;
    let cpu = end.usage.cpu.saturating_sub(begin.usage.cpu).as_secs_f64() * 1e6 / tasks;
    #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
    let memory = begin.usage.memory.max(end.usage.memory) as f64 / 1e6;
    Ok(vec![tasks / (end.at - begin.at).as_secs_f64(), cpu, memory])
}

/// Waits until at most so many messages lie ready.
async fn mark(rig: &Rig, worker: &Process, at_most: u64) -> anyhow::Result<Mark> {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let left = rig.watch.ready(QUEUE).await?;
        let at = Instant::now();
        if left <= at_most {
            return Ok(Mark { at, left, usage: worker.usage()? });
        }
        anyhow::ensure!(at < deadline, "{left} messages are left after two minutes");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Lets the worker finish, and holds its count against the number of messages.
async fn settle(rig: &Rig, worker: Process, count: u64) -> anyhow::Result<()> {
    while rig.watch.ready(QUEUE).await? > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    // What was handed out last is still being run; nobody says from outside when that is done.
    sleep(Duration::from_millis(500)).await;
    let output = worker.finish().await?;
    let left = rig.watch.ready(QUEUE).await?;
    anyhow::ensure!(left == 0, "{left} messages went back to the queue");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count was printed")]
    let executed = process::printed(&output, "executed")? as u64;
    anyhow::ensure!(executed == count, "{executed} tasks were run of {count}");
    Ok(())
}
