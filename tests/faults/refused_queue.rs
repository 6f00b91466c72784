//! A queue that the worker's user may not read.

use std::{process::Command, time::Duration};

use lapin::types::FieldTable;
use postrider_core::{
    broker::{Subscription, message::Message, topology::Topology},
    shutdown::Shutdown,
};
use postrider_tests::{
    amqp::{Amqp, Envelope},
    broker::connected,
    servers::{RabbitMq, eventually},
};

const SOON: Duration = Duration::from_secs(20);

fn from(queue: &str) -> Subscription {
    Subscription { queue: queue.into(), prefetch: 10, withheld: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_may_not_be_read_and_was_added_disturbs_no_other() {
    let rabbitmq = RabbitMq::start().await;
    for line in ["add_user worker pass", "set_permissions worker .* .* ^(?!closed).*$"] {
        let words = line.split(' ');
        let ran = Command::new("rabbitmqctl").arg("-q").args(words).envs(rabbitmq.control()).status();
        assert!(ran.is_ok_and(|status| status.success()), "{line}");
    }
    let owner = Amqp::connect(&rabbitmq.url()).await;
    owner.declare("closed", FieldTable::default()).await;
    let topology = Topology::default().foreign_queue("open");
    let broker = connected(&rabbitmq.url_as("worker", "pass", "%2f"), topology, &Shutdown::new()).await;
    let mut consumer = broker.consume(vec![from("open")], &Shutdown::new());
    let consumers = consumer.consumers();
    broker.publish("open", &Message::default()).await.unwrap();
    let running = consumer.next().await.unwrap();

    consumers.add(from("closed")).await;

    assert!(eventually(SOON, async || !consumers.consumes("closed")).await, "it is still wanted");
    owner.publish("open", &Envelope::default()).await;
    let next = tokio::time::timeout(SOON, consumer.next()).await.unwrap().unwrap();
    assert!(!next.redelivered && next.ack().await);
    assert!(running.ack().await, "the connection of a task that ran was given up");
    consumer.cancel().await;
    consumer.close();
}
