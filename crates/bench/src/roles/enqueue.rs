//! Enqueues the task that does nothing, many calls in flight, each of them confirmed by the broker.

use postrider_core::broker::Broker;
use postrider_core::clock::Clock;
use postrider_core::producer::Producer;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::Signature;

use crate::rig::broker::Queue;
use crate::rig::noop::Noop;
use crate::rig::pace::Pace;

/// Where to, and how many at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    queue: Queue,
    #[command(flatten)]
    pace: Pace,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = Shutdown::new();
    let amqp = args.queue.broker("bench enqueue", &shutdown);
    amqp.connected().await;
    let broker = Broker::Amqp(amqp);
    let producer = Producer::new(broker.clone(), Clock::System, "bench");
    let queue = args.queue.name.clone();
    let call = move || {
        let (producer, queue) = (producer.clone(), queue.clone());
        async move {
            producer.enqueue(Signature::new(Noop {}).queue(queue)).await?;
            anyhow::Ok(())
        }
    };
    args.pace.repeat(call).await?;
    broker.close();
    Ok(())
}
