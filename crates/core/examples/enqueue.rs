//! A producer on RabbitMQ: it calls a task that a worker has, Python's or ours, and waits for nothing.
//!
//! `cargo run -p postrider-core --example enqueue -- amqp://guest:guest@127.0.0.1:5672/%2f`. Nothing has to be declared
//! before: a queue that is missing is made as Celery makes it.

use std::time::Duration;

use postrider_core::broker::topology::Topology;
use postrider_core::broker::{AmqpBroker, AmqpConfig, Broker};
use postrider_core::celery::Call;
use postrider_core::clock::Clock;
use postrider_core::producer::Producer;
use postrider_core::shutdown::Shutdown;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which broker? amqp://user:password@host:5672/vhost")?;
    enqueue(&url, "celery").await
}

// Called by the test that runs it.
pub(crate) async fn enqueue(url: &str, queue: &str) -> Result<(), Box<dyn std::error::Error>> {
    let seconds = Duration::from_secs;
    let config = AmqpConfig {
        url: url.into(),
        name: "shop".into(),
        heartbeat: seconds(10),
        connect_timeout: seconds(5),
        publish_timeout: seconds(5),
        declare: true,
    };
    let broker = AmqpBroker::start(config, Topology::default(), &Shutdown::new());
    broker.first_look().await?;
    let producer = Producer::new(Broker::Amqp(broker), Clock::System, "shop");
    let add = |x: i32, y: i32| Call::new("tasks.add").arg(x).arg(y).option("queue", queue);
    producer.enqueue(add(1, 2)).await?;
    producer.enqueue(add(3, 4).option("countdown", 1)).await?;
    Ok(())
}
