//! RabbitMQ over AMQP 0-9-1. The client library is named nowhere else.
//!
//! Publishing and consuming have a connection each, so that a broker that blocks publishers still gets its acks. The
//! client's own recovery is off: it leaves publishers waiting for ever in a black hole. Instead every await has a
//! timeout, and any error or end of a stream drops the connection and builds all of it anew ([`supervisor`]).

mod acks;
mod connect;
mod consumer;
mod convert;
mod dead_letters;
mod declare;
mod link;
mod publisher;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

pub(super) use acks::Ticket;
pub use connect::AmqpConfig;
pub use dead_letters::DeadLetters;
pub(super) use dead_letters::Single;
pub use declare::{TopologyError, check_topology};
use publisher::Publisher;

use super::topology::Topology;
use super::{Consumer, PublishError, Subscription, message::Message};
use crate::shutdown::Shutdown;

/// A RabbitMQ broker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AmqpBroker {
    config: Arc<AmqpConfig>,
    topology: Arc<Topology>,
    publisher: Arc<Publisher>,
}

impl AmqpBroker {
    /// Starts connecting in the background and keeps connected until the soft stop has drained.
    ///
    /// `topology` is made sure of at each connect.
    pub fn start(config: AmqpConfig, topology: Topology, shutdown: &Shutdown) -> Self {
        let (config, topology) = (Arc::new(config), Arc::new(topology));
        let publisher = Publisher::start(Arc::clone(&config), Arc::clone(&topology), shutdown);
        Self { config, topology, publisher }
    }

    /// What the first attempt to connect found, once it has ended: a queue that exists with other arguments will not be
    /// another one a second later.
    pub async fn first_look(&self) -> Result<(), TopologyError> {
        self.publisher.first_look().await
    }

    /// Waits until it can be published, for a command that does one thing and ends.
    pub async fn connected(&self) {
        self.publisher.connected().await;
    }

    pub(super) async fn publish(
        &self,
        exchange: &str,
        key: &str,
        message: Message,
    ) -> Result<(), PublishError> {
        self.publisher.publish(exchange, key, message).await
    }

    pub(super) fn consume(&self, subscriptions: Vec<Subscription>, shutdown: &Shutdown) -> Consumer {
        consumer::start(Arc::clone(&self.config), Arc::clone(&self.topology), subscriptions, shutdown)
    }

    pub(super) async fn depth(&self, queue: &str) -> Option<u64> {
        self.publisher.depth(queue).await
    }

    pub(super) fn confirmed_within(&self, age: Duration) -> bool {
        self.publisher.confirmed_within(age)
    }

    /// Ends the publishing connection, once nothing is to be published any more.
    pub fn close(&self) {
        self.publisher.close();
    }
}
