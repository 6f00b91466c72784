//! Enqueueing without an HTTP request around it: how many calls a second one process publishes.
//!
//! Each contender is told how long to go on, and prints its own rate; the queue's length is held against it.

use std::time::Duration;

use async_trait::async_trait;

use super::{Case, Contender, Figure, Goal, Kind, Spec};
use crate::rig::broker::Queue;
use crate::rig::contenders::Rig;
use crate::rig::process;
use crate::roles::preload;

pub(crate) struct Enqueue;

const QUEUE: &str = "bench.enqueue";

static SPEC: Spec = Spec {
    name: "enqueue",
    title: "Enqueueing a task that does nothing, in one process",
    notes: "1,000 calls in flight, each confirmed by the broker, to a quorum queue as Postrider declares it. Celery is \
            `delay()` in a loop to a classic queue as it declares one, and waits for no confirm. The ceiling publishes ready-made bytes on the same client \
            library, confirmed.",
    figures: &[Figure { name: "enqueues/s", digits: 0, less_is_better: false }],
    contenders: &[
        Contender { id: "ours", label: "Postrider", kind: Kind::Ours },
        Contender { id: "celery", label: "Celery, delay()", kind: Kind::Peer },
        Contender { id: "ceiling", label: "bare publisher", kind: Kind::Ceiling },
    ],
    goals: &[Goal::Times(0.7, &["ceiling"])],
};

#[async_trait(?Send)]
impl Case for Enqueue {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>> {
        rig.watch.remove(QUEUE).await?;
        let (warm_up, seconds) = if rig.quick { (0.5, 2.0) } else { (1.0, 5.0) };
        let publisher = if contender == "celery" {
            rig.script(&format!("enqueue.py {warm_up} {seconds}"), QUEUE)?
        } else {
            let queue = Queue { amqp_url: rig.amqp_url.clone(), name: QUEUE.into(), quorum: true };
            preload::fill(&queue, 0).await?;
            let name = if contender == "ceiling" { "publish-loop" } else { "enqueue" };
            let (warm_up, seconds) = (warm_up.to_string(), seconds.to_string());
            let to = ["--amqp-url", &rig.amqp_url, "--queue", QUEUE, "--quorum"];
            let pace = ["--warm-up", &warm_up, "--seconds", &seconds];
            rig.part(name, &[[name].as_slice(), &to, &pace].concat())?
        };
        let rate = process::printed(&publisher.ends(Duration::from_mins(1)).await?, "rate")?;
        let queued = rig.watch.ready(QUEUE).await?;
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let enough = queued as f64 >= rate * seconds;
        anyhow::ensure!(enough, "{queued} messages are queued, and {rate} a second were said to be");
        rig.watch.remove(QUEUE).await?;
        rig.watch.remove(&format!("{QUEUE}.returned")).await?;
        Ok(vec![rate])
    }
}
