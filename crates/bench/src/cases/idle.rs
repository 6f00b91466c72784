//! What a process holds when it has nothing to do, and how soon after its start it can work.
//!
//! Ready is: `/readyz` is 200, Django answers, the worker says that it consumes. Memory is read two seconds later; what
//! the processes of one contender share is counted once.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;

use super::{Case, Contender, Figure, Kind, Spec};
use crate::rig::contenders::{Pool, Rig, TUTORIAL_GUNICORN};
use crate::rig::redis;

/// One of the two halves of each stack.
pub(crate) enum Idle {
    /// What answers requests.
    Server,
    /// What sends.
    Worker,
}

const QUEUE: &str = "bench.idle";
const FIGURES: &[Figure] = &[
    Figure { name: "idle memory, MB", digits: 1, less_is_better: true },
    Figure { name: "start to ready, ms", digits: 0, less_is_better: true },
];

static SERVER: Spec = Spec {
    name: "idle-server",
    title: "The server with nothing to do",
    notes: "Ready is the first 200 of `/readyz`, which asks Redis and the broker, and Django's first answer of any kind.",
    figures: FIGURES,
    contenders: &[
        Contender { id: "ours", label: "postrider-api", kind: Kind::Ours },
        Contender { id: "django", label: "Django, gunicorn, 3 workers", kind: Kind::Peer },
    ],
    goals: &[],
};

static WORKER: Spec = Spec {
    name: "idle-worker",
    title: "The worker with nothing to do",
    notes: "Ready is when it says that it consumes. Prefork is 2 processes and the one above them.",
    figures: FIGURES,
    contenders: &[
        Contender { id: "ours", label: "postrider-worker -c 1000", kind: Kind::Ours },
        Contender { id: "prefork", label: "Celery, prefork", kind: Kind::Peer },
        Contender { id: "eventlet", label: "Celery, eventlet -c 1000", kind: Kind::Peer },
    ],
    goals: &[],
};

#[async_trait(?Send)]
impl Case for Idle {
    fn spec(&self) -> &'static Spec {
        match self {
            Self::Server => &SERVER,
            Self::Worker => &WORKER,
        }
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        redis::flush(&rig.redis_url).await?;
        rig.watch.remove(QUEUE).await?;
        let nowhere = "http://127.0.0.1:9/";
        let prefork = Pool { kind: "prefork", concurrency: 2, prefetch_multiplier: 4, tracked: false };
        let eventlet = Pool { kind: "eventlet", concurrency: 1000, prefetch_multiplier: 4, tracked: false };
        let process = match (self, contender) {
            (Self::Server, "ours") => rig.api(QUEUE).await?.0,
            (Self::Server, _) => rig.django(QUEUE, TUTORIAL_GUNICORN).await?.0,
            (Self::Worker, "ours") => rig.worker(QUEUE, nowhere).await?,
            (Self::Worker, "prefork") => rig.celery(QUEUE, prefork, nowhere).await?,
            (Self::Worker, _) => rig.celery(QUEUE, eventlet, nowhere).await?,
        };
        let ready = process.ready_after();
        sleep(Duration::from_secs(2)).await;
        #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^52")]
        let memory = process.usage()?.memory as f64 / 1e6;
        process.finish().await?;
        rig.watch.remove(QUEUE).await?;
        rig.watch.remove(&format!("{QUEUE}.returned")).await?;
        Ok(vec![memory, ready.as_secs_f64() * 1000.0])
    }
}
