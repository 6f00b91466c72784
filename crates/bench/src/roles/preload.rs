//! Fills a queue with calls of the task that does nothing.

use futures::{StreamExt as _, TryStreamExt as _};
use postrider_core::broker::Broker;
use postrider_core::shutdown::Shutdown;

use crate::rig::broker::Queue;
use crate::rig::noop;

/// Publishes that wait for their confirm at once.
const IN_FLIGHT: usize = 1000;

/// What to put where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    queue: Queue,
    /// How many calls.
    #[arg(long, default_value_t = 100_000)]
    count: usize,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    fill(&args.queue, args.count).await
}

/// Publishes the calls with confirms; all of them are in the queue when it returns.
pub(crate) async fn fill(queue: &Queue, count: usize) -> anyhow::Result<()> {
    let shutdown = Shutdown::new();
    let amqp = queue.broker("bench preload", &shutdown);
    amqp.connected().await;
    let broker = Broker::Amqp(amqp);
    let publishes = futures::stream::iter(0..count).map(|_| async {
        broker.publish(&queue.name, &noop::message()?).await?;
        anyhow::Ok(())
    });
    publishes.buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;
    broker.close();
    Ok(())
}
