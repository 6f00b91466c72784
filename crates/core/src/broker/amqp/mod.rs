//! RabbitMQ over AMQP 0-9-1. The client library is named nowhere else.
//!
//! Publishing and consuming have a connection each, so that a broker that blocks publishers still gets its acks. The
//! client's own recovery is off: it leaves publishers waiting for ever in a black hole. Instead every await has a
//! timeout, and any error or end of a stream drops the connection and builds all of it anew ([`supervisor`]).

mod acks;
mod address;
mod announcer;
mod connect;
mod consumer;
mod convert;
mod dead_letters;
mod declare;
mod declared;
mod inquiry;
mod link;
mod mailbox;
mod publisher;
mod reply_queue;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

pub(super) use acks::Ticket;
pub use connect::AmqpConfig;
pub use dead_letters::DeadLetters;
pub(super) use dead_letters::Single;
pub use declare::{TopologyError, check_topology};
use declared::Declared;
use publisher::Publisher;

use super::topology::{Topology, delay_route};
use super::{
    Address, Consumer, Inquiry, InquiryError, Mailbox, MailboxConfig, NotPublished, PublishError,
    Subscription, message::Message,
};
use crate::shutdown::Shutdown;

/// A RabbitMQ broker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AmqpBroker {
    config: Arc<AmqpConfig>,
    declared: Arc<Declared>,
    publisher: Arc<Publisher>,
}

impl AmqpBroker {
    /// Starts connecting in the background and keeps connected until the soft stop has drained.
    ///
    /// `topology` is made sure of at each connect, and so is the queue of the probe. A producer whose queues others
    /// declare has nothing to add: `Topology::default()`.
    pub fn start(config: AmqpConfig, mut topology: Topology, shutdown: &Shutdown) -> Self {
        topology.extend(Topology::default().probe_queue());
        let (config, declared) = (Arc::new(config), Arc::new(Declared::new(topology)));
        let publisher = Publisher::start(Arc::clone(&config), Arc::clone(&declared), shutdown);
        Self { config, declared, publisher }
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

    pub(super) async fn publish(&self, queue: &str, message: &Message) -> Result<(), PublishError> {
        self.publisher.publish_to_queue(queue, message).await
    }

    pub(super) async fn publish_after(
        &self,
        queue: &str,
        delay: Duration,
        message: &Message,
    ) -> Result<(), PublishError> {
        let Some((exchange, key)) = delay_route(queue, delay) else {
            return self.publish(queue, message).await;
        };
        let delayed = match self.publisher.lead_to(queue).await {
            Ok(()) => self.publisher.publish(&exchange, &key, message).await,
            Err(error) => Err(error),
        };
        match delayed {
            // Who may not declare a ladder leaves the wait to the consumer, which reads the instant. Who declares one has
            // lost it for a moment, and would get the message back at once.
            Err(PublishError::NotPublished(NotPublished::Returned(_)))
                if message.header("eta").is_some() && !self.declared.has_exchange(&exchange) =>
            {
                self.publish(queue, message).await
            }
            ended => ended,
        }
    }

    pub(super) async fn publish_to(
        &self,
        exchange: &str,
        key: &str,
        message: &Message,
    ) -> Result<(), PublishError> {
        self.publisher.publish(exchange, key, message).await
    }

    pub(super) fn consume(&self, subscriptions: Vec<Subscription>, shutdown: &Shutdown) -> Consumer {
        consumer::start(Arc::clone(&self.config), Arc::clone(&self.declared), subscriptions, shutdown)
    }

    pub(super) fn mailbox(&self, config: MailboxConfig, shutdown: &Shutdown) -> Mailbox {
        mailbox::open(Arc::clone(&self.config), config, shutdown)
    }

    pub(super) async fn ask(&self, inquiry: Inquiry) -> Result<Vec<Message>, InquiryError> {
        inquiry::ask(&self.config, inquiry).await
    }

    pub(super) fn address(&self) -> Option<Address> {
        self.config.address()
    }

    pub(super) async fn depth(&self, queue: &str) -> Option<u64> {
        self.publisher.depth(queue).await
    }

    pub(super) async fn extend(&self, more: Topology) -> Result<(), TopologyError> {
        self.publisher.extend(more).await
    }

    pub(super) async fn create(&self, queue: &str) -> bool {
        self.publisher.create(queue).await
    }

    pub(super) async fn purge(&self, queue: &str) -> Result<u64, TopologyError> {
        self.publisher.purge(queue).await
    }

    pub(super) fn confirmed_within(&self, age: Duration) -> bool {
        self.publisher.confirmed_within(age)
    }

    /// Ends the publishing connection, once nothing is to be published any more.
    pub fn close(&self) {
        self.publisher.close();
    }
}
