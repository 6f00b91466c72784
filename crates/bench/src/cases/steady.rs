//! Ten thousand tasks a second for ten minutes: is the rate kept, and the memory flat?
//!
//! 1. The worker is started on an empty queue, and a bare publisher offers the rate, each message confirmed.
//! 2. Each second memory and queue are looked at, after [`WARM_UP`]. Memory that grows then shows from minute to minute.
//! 3. In the end the worker's own count is the number of messages that were published.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval};

use super::{Case, Contender, Figure, Goal, Kind, Spec};
use crate::report::stats::{median, spread};
use crate::rig::broker::Queue;
use crate::rig::contenders::Rig;
use crate::rig::drain::Drain;
use crate::rig::process;
use crate::roles::preload;

pub(crate) struct Steady;

const QUEUE: &str = "bench.steady";
const RATE: u32 = 10_000;
/// In seconds. The client library says what it says through a ring of 4 MB (32 frames of the size agreed on), in turn
/// from its begin to its end, and a page of it counts as memory from the first time that it is written. Acks, which are
/// all that this worker says, go once around in two minutes on a fast machine, and in four where more go in one.
const WARM_UP: u32 = 300;

static SPEC: Spec = Spec {
    name: "steady",
    title: "10,000 tasks a second for ten minutes",
    notes: "The task that does nothing, on a classic queue, published at that rate and confirmed. Memory after five \
            minutes more, in which the client library's buffers are used for the first time: the median of each minute, \
            the greatest by the least; and of each second, where what is handed out ahead after a stall of the broker \
            shows. Once.",
    figures: &[
        Figure { name: "tasks/s", digits: 0, less_is_better: false },
        Figure { name: "memory, greatest minute by least", digits: 3, less_is_better: true },
        Figure { name: "greatest second by least", digits: 3, less_is_better: true },
        Figure { name: "peak memory, MB", digits: 1, less_is_better: true },
        Figure { name: "most queued", digits: 0, less_is_better: true },
    ],
    contenders: &[Contender { id: "ours", label: "Postrider", kind: Kind::Ours }],
    goals: &[Goal::AtLeast(0, 9_900.0), Goal::AtMost(1, 1.1)],
};

#[async_trait(?Send)]
impl Case for Steady {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// One is long enough.
    fn rounds(&self, asked: usize) -> usize {
        asked.min(1)
    }

    async fn measure(&self, rig: &Rig, _contender: &str) -> anyhow::Result<Vec<f64>> {
        let (warm_up, minute) = if rig.quick { (6, 3) } else { (WARM_UP, 60) };
        let seconds = warm_up + 10 * minute;
        let queue = Queue { amqp_url: rig.amqp_url.clone(), name: QUEUE.into(), quorum: false };
        rig.watch.remove(QUEUE).await?;
        preload::fill(&queue, 0).await?;
        let worker =
            rig.part("noop-worker", &["noop-worker", "--amqp-url", &rig.amqp_url, "--queue", QUEUE])?;
        let (rate, before, measured) = (RATE.to_string(), warm_up.to_string(), (10 * minute).to_string());
        let to = ["publish-loop", "--amqp-url", &rig.amqp_url, "--queue", QUEUE];
        let pace = ["--rate", &rate, "--warm-up", &before, "--seconds", &measured];
        let mut publisher = rig.part("publish-loop", &[to.as_slice(), &pace].concat())?;

        let (mut memory, mut queued) = (Vec::new(), 0);
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for now in 0..seconds {
            second.tick().await;
            queued = queued.max(rig.watch.ready(QUEUE).await?);
            if now >= warm_up {
                memory.push(worker.usage()?.memory);
            }
            publisher.must_run("had published for long enough")?;
        }
        let output = publisher.ends(Duration::from_secs(u64::from(seconds) + 30)).await?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count was printed")]
        let calls = process::printed(&output, "calls")? as u64;
        Drain { watch: &rig.watch, queue: QUEUE }.settle(worker, calls).await?;
        rig.watch.remove(QUEUE).await?;

        #[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]
        let bytes: Vec<f64> = memory.iter().map(|bytes| *bytes as f64).collect();
        let minutes: Vec<f64> = bytes.chunks_exact(usize::try_from(minute)?).map(median).collect();
        #[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]
        let queued = queued as f64;
        let flat = |values: &[f64]| {
            let (least, greatest) = spread(values);
            greatest / least
        };
        let (_, peak) = spread(&bytes);
        Ok(vec![process::printed(&output, "rate")?, flat(&minutes), flat(&bytes), peak / 1e6, queued])
    }
}
