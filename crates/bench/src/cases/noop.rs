//! A task that does nothing: how many a second one worker process takes out of a full queue.
//!
//! 1. A classic queue, as Python declares it, is filled with the messages of `noop.delay()`.
//! 2. The worker is started. The first tenth is its warm-up.
//! 3. The rate is read from the queue's length, from outside and in the same way for everybody, until 2 % are left.
//! 4. In the end the queue is empty, and the worker's own count is the number of messages: each ran exactly once.

use async_trait::async_trait;

use super::{Case, Contender, Figure, Goal, Kind, Spec};
use crate::rig::broker::Queue;
use crate::rig::contenders::{Pool, Rig};
use crate::rig::drain::Drain;
use crate::roles::preload;

pub(crate) struct Noop;

const QUEUE: &str = "bench.noop";

/// What is measured of a worker that empties a queue.
pub(super) const FIGURES: &[Figure] = &[
    Figure { name: "tasks/s", digits: 0, less_is_better: false },
    Figure { name: "CPU µs a task", digits: 1, less_is_better: true },
    Figure { name: "peak memory, MB", digits: 1, less_is_better: true },
];

static SPEC: Spec = Spec {
    name: "noop",
    title: "A task that does nothing, in one worker",
    notes: "One classic queue as Python declares it, the same messages for everybody. Celery without events, results, \
            gossip, mingle and heartbeats, each pool with a prefetch of 64 a place or 512 in all: prefork of 2 (one a core) and 4 \
            processes, 8 threads, 100 greenlets of gevent, and solo. The ceiling is a loop on the same client library that acks up to 64 messages at once and decodes nothing.",
    figures: FIGURES,
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
        Goal::Times(0.8, &["ceiling"]),
        Goal::Times(5.0, &["prefork", "prefork-4", "threads", "gevent"]),
        Goal::Times(8.0, &["prefork", "prefork-4", "threads", "gevent", "solo"]),
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

#[async_trait(?Send)]
impl Case for Noop {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        let pool = POOLS.iter().find(|(id, ..)| *id == contender);
        let count = if pool.is_some() { 16_000 } else { 120_000 } / if rig.quick { 4 } else { 1 };
        let queue = Queue { amqp_url: rig.amqp_url.clone(), name: QUEUE.into(), quorum: false };
        rig.watch.remove(QUEUE).await?;
        preload::fill(&queue, count).await?;

        let worker = match (contender, pool) {
            (_, Some(&(_, kind, concurrency))) => {
                rig.celery(QUEUE, Pool::tuned(kind, concurrency), "").await?
            }
            ("celery-rs", _) => rig.celery_rs(QUEUE).await?,
            ("ceiling", _) => {
                rig.part("consume-loop", &["consume-loop", "--amqp-url", &rig.amqp_url, "--queue", QUEUE])?
            }
            _ => rig.part("noop-worker", &["noop-worker", "--amqp-url", &rig.amqp_url, "--queue", QUEUE])?,
        };
        let count = u64::try_from(count)?;
        let drain = Drain { watch: &rig.watch, queue: QUEUE };
        let drained = drain.between(&worker, count - count / 10, count / 50).await?;
        drain.settle(worker, count).await?;
        rig.watch.remove(QUEUE).await?;
        Ok(vec![drained.rate, drained.cpu_micros, drained.memory])
    }
}
