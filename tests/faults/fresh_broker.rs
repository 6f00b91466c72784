//! A producer on a broker where no worker has ever run.

use std::time::Duration;

use lapin::types::FieldTable;
use postrider_core::{
    broker::{AmqpBroker, AmqpConfig, Broker, topology::Topology},
    celery::Call,
    clock::Clock,
    producer::Producer,
    shutdown::Shutdown,
};
use postrider_tests::{amqp::Amqp, servers::RabbitMq};

#[path = "../../crates/core/examples/enqueue.rs"]
#[expect(dead_code, reason = "its main reads a command line")]
mod enqueue;

const SOON: Duration = Duration::from_secs(20);

/// A producer that may not declare anything.
async fn guest(url: &str) -> Producer {
    let limit = Duration::from_secs(5);
    let config = AmqpConfig {
        url: url.into(),
        name: "guest".into(),
        heartbeat: limit,
        connect_timeout: limit,
        publish_timeout: limit,
        declare: false,
    };
    let broker = AmqpBroker::start(config, Topology::default(), &Shutdown::new());
    broker.first_look().await.expect("the broker is there");
    Producer::new(Broker::Amqp(broker), Clock::System, "guest")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_needs_no_worker_to_have_been_there_before_it() {
    let rabbitmq = RabbitMq::start().await;
    let amqp = Amqp::connect(&rabbitmq.url()).await;

    // Without the right to make a delay ladder: the consumer reads when the task is due.
    amqp.declare("postrider.probe", FieldTable::default()).await;
    amqp.declare("celery", FieldTable::default()).await;
    let call = Call::new("tasks.add").option("queue", "celery").option("countdown", 60);
    guest(&rabbitmq.url()).await.enqueue(call).await.unwrap();
    assert!(amqp.take("celery", SOON).await.text("eta").is_some());
    amqp.delete(["postrider.probe", "celery"]).await;

    // With it: nothing is there, neither the probe's queue nor the task's nor the ladder.
    enqueue::enqueue(&rabbitmq.url(), "celery").await.unwrap();
    assert_eq!(amqp.take("celery", SOON).await.text("eta"), None);
    assert!(amqp.take("celery", SOON).await.text("eta").is_some(), "the ladder brings it");
    assert_eq!(amqp.ready("postrider.delay.17").await, Some(0));
}
