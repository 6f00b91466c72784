//! A task that does nothing, with all that is told of it: events as with `-E`, and a result in Redis.
//!
//! As the case `noop`, and in the end there is a result for every task, and events were heard.

use async_trait::async_trait;

use super::noop::FIGURES;
use super::{Case, Contender, Kind, Spec};
use crate::rig::broker::Queue;
use crate::rig::contenders::{Pool, Rig};
use crate::rig::drain::Drain;
use crate::rig::redis;
use crate::roles::preload;

pub(crate) struct Tracked;

const QUEUE: &str = "bench.tracked";
/// Who hears the events.
const HEARD: &str = "bench.events";

static SPEC: Spec = Spec {
    name: "tracked",
    title: "The same with events on and a result in Redis for every task",
    notes: "Each worker says when a task was received, started and done to a queue that is bound to the exchange of the \
            events, and keeps its result for a day. Otherwise as above; gevent is left out, which \
            did 10 tasks a second like that.",
    figures: FIGURES,
    contenders: &[
        Contender { id: "ours", label: "Postrider", kind: Kind::Ours },
        Contender { id: "prefork", label: "Celery, prefork", kind: Kind::Peer },
        Contender { id: "threads", label: "Celery, threads", kind: Kind::Peer },
    ],
    goals: &[],
};

#[async_trait(?Send)]
impl Case for Tracked {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        let count = if contender == "ours" { 60_000 } else { 5_000 } / if rig.quick { 4 } else { 1 };
        let queue = Queue { amqp_url: rig.amqp_url.clone(), name: QUEUE.into(), quorum: false };
        rig.watch.remove(QUEUE).await?;
        rig.watch.remove(HEARD).await?;
        rig.watch.hear_events(HEARD).await?;
        redis::flush(&rig.redis_url).await?;
        preload::fill(&queue, count).await?;

        let pool = |kind, concurrency| Pool { tracked: true, ..Pool::tuned(kind, concurrency) };
        let worker = match contender {
            "prefork" => rig.celery(QUEUE, pool("prefork", 2), "").await?,
            "threads" => rig.celery(QUEUE, pool("threads", 8), "").await?,
            _ => {
                let told = ["--events", "--results", &rig.redis_url];
                let queue = ["noop-worker", "--amqp-url", &rig.amqp_url, "--queue", QUEUE];
                rig.part("noop-worker", &[queue.as_slice(), &told].concat())?
            }
        };
        let count = u64::try_from(count)?;
        let drain = Drain { watch: &rig.watch, queue: QUEUE };
        let drained = drain.between(&worker, count - count / 10, count / 50).await?;
        drain.settle(worker, count).await?;
        let results = redis::keys(&rig.redis_url).await?;
        anyhow::ensure!(results >= count, "{results} results are kept of {count}");
        anyhow::ensure!(rig.watch.ready(HEARD).await? > 0, "no events were heard");
        rig.watch.remove(QUEUE).await?;
        rig.watch.remove(HEARD).await?;
        Ok(vec![drained.rate, drained.cpu_micros, drained.memory])
    }
}
