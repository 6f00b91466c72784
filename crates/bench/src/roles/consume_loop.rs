//! The ceiling of a worker: takes the same messages on the same library and acks up to 64 of them at once.
//!
//! It reads of each message what a worker must read to run anything, the task's name, and looks at no other byte.

use anyhow::Context as _;
use futures::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use postrider_core::task::Task as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::rig::broker::Queue;
use crate::rig::noop::Noop;

/// Deliveries that one ack settles at the most.
const TOGETHER: u64 = 64;

/// What to consume.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    queue: Queue,
    /// Messages that the broker hands out ahead.
    #[arg(long, default_value_t = 1000)]
    prefetch: u16,
}

#[expect(clippy::print_stdout, reason = "the count of messages is what the caller asks for")]
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let connection = Connection::connect(&args.queue.amqp_url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(args.prefetch, BasicQosOptions::default()).await?;
    let (queue, options) = (args.queue.name.as_str().into(), BasicConsumeOptions::default());
    let mut deliveries = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
    let mut term = signal(SignalKind::terminate())?;
    let mut taken = 0_u64;
    loop {
        let first = tokio::select! {
            biased;
            _ = term.recv() => break,
            first = deliveries.next() => first,
        };
        let mut newest = check(first)?;
        taken += 1;
        for _ in 1..TOGETHER {
            // Whoever would have to wait for the next message owes the ack now.
            let Some(next) = deliveries.next().now_or_never() else { break };
            newest = check(next)?;
            taken += 1;
        }
        channel.basic_ack(newest, BasicAckOptions { multiple: true }).await?;
    }
    connection.close(200, "done".into()).await?;
    println!("executed {taken}");
    Ok(())
}

/// Looks for the task's name and returns the delivery's tag.
fn check(item: Option<lapin::Result<Delivery>>) -> anyhow::Result<u64> {
    let delivery = item.context("the broker ended the subscription")??;
    let headers = delivery.properties.headers().as_ref().context("a message without headers")?;
    let task = headers.inner().get("task");
    anyhow::ensure!(
        matches!(task, Some(AMQPValue::LongString(name)) if name.as_bytes() == Noop::NAME.as_bytes()),
        "a message of another task"
    );
    Ok(delivery.delivery_tag)
}
