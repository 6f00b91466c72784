//! Queues and exchanges of a broker, as the engine uses them.

mod consuming;
mod publishing;

use postrider_core::broker::message::{Message, Properties};
use postrider_core::broker::topology::Topology;
use postrider_core::broker::{Broker, Consumer, Delivery, Subscription};
use postrider_core::shutdown::Shutdown;
use postrider_tests::{broker::connected, worker::Setup};

use super::SOON;

async fn broker(setup: &Setup, topology: Topology) -> Broker {
    connected(&setup.amqp_url, topology, &Shutdown::new()).await
}

fn from(queue: &str, prefetch: u16) -> Subscription {
    Subscription { queue: queue.into(), prefetch, withheld: false }
}

fn message(body: &str) -> Message {
    let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
    Message { properties, body: body.to_owned().into(), ..Message::default() }
}

async fn next(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(SOON, consumer.next()).await.expect("a delivery comes").expect("it goes on")
}
