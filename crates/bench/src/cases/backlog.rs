//! A worker before a million waiting messages: as fast as before ten thousand?

use async_trait::async_trait;

use super::noop::FIGURES;
use super::{Case, Contender, Goal, Kind, Spec};
use crate::rig::broker::Queue;
use crate::rig::contenders::Rig;
use crate::rig::drain::Drain;
use crate::roles::preload;

pub(crate) struct Backlog;

const QUEUE: &str = "bench.backlog";
/// What is taken before the measurement: the pool opens over its first second.
const WARM_UP: u64 = 30_000;

static SPEC: Spec = Spec {
    name: "backlog",
    title: "Draining a million queued tasks",
    notes: "The task that does nothing, on a classic queue. The worker is warm, by 30,000 messages more, when that many are \
            left; both are measured to the last fiftieth. Three rounds.",
    figures: FIGURES,
    contenders: &[
        Contender { id: "million", label: "1,000,000 queued", kind: Kind::Ours },
        Contender { id: "few", label: "10,000 queued", kind: Kind::Ceiling },
    ],
    goals: &[Goal::Times(0.85, &["few"])],
};

#[async_trait(?Send)]
impl Case for Backlog {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// A round fills a queue with a million messages.
    fn rounds(&self, asked: usize) -> usize {
        asked.min(3)
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        let count = match contender {
            "few" => 10_000,
            _ if rig.quick => 100_000,
            _ => 1_000_000,
        };
        let queue = Queue { amqp_url: rig.amqp_url.clone(), name: QUEUE.into(), quorum: false };
        rig.watch.remove(QUEUE).await?;
        preload::fill(&queue, usize::try_from(count + WARM_UP)?).await?;

        let worker =
            rig.part("noop-worker", &["noop-worker", "--amqp-url", &rig.amqp_url, "--queue", QUEUE])?;
        let drain = Drain { watch: &rig.watch, queue: QUEUE };
        let drained = drain.between(&worker, count, count / 50).await?;
        drain.settle(worker, count + WARM_UP).await?;
        rig.watch.remove(QUEUE).await?;
        Ok(vec![drained.rate, drained.cpu_micros, drained.memory])
    }
}
