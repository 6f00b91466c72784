//! Looking through a queue by hand, for the commands on the dead-letter queue.

use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Channel, Connection};

use super::super::delivery::{Acker, Delivery};
use super::connect::{AmqpConfig, LinkError, close, within};
use super::convert;
use crate::broker::TopologyError;

/// A look through one queue, message by message. What is not acked goes back when it is closed.
pub struct DeadLetters {
    connection: Connection,
    channel: Channel,
    config: AmqpConfig,
    queue: String,
}

/// Settles one message of a look at once: who looks may be gone the next moment.
#[derive(Debug)]
pub(in super::super) struct Single(lapin::Acker);

impl DeadLetters {
    /// Connects for the look.
    pub async fn open(config: &AmqpConfig, queue: &str) -> Result<Self, TopologyError> {
        let opened = async {
            let connection = config.connect("dead letters").await?;
            let channel = within(config.connect_timeout, connection.create_channel()).await?;
            Ok::<_, LinkError>(Self { connection, channel, config: config.clone(), queue: queue.into() })
        };
        opened.await.map_err(|error| TopologyError::Unreachable(error.to_string()))
    }

    /// The next message that this look has not seen.
    pub async fn next(&self) -> Result<Option<Delivery>, TopologyError> {
        let name = convert::short(&self.queue).map_err(|error| TopologyError::Name(error.to_string()))?;
        let get = self.channel.basic_get(name, BasicGetOptions::default());
        let got = within(self.config.connect_timeout, get)
            .await
            .map_err(|error| TopologyError::Unreachable(error.to_string()))?;
        Ok(got.map(|got| {
            let delivery = got.delivery;
            Delivery {
                queue: self.queue.as_str().into(),
                redelivered: delivery.redelivered,
                message: convert::received(&delivery.properties, delivery.data),
                exchange: delivery.exchange.into(),
                routing_key: delivery.routing_key.into(),
                acker: Acker::Single(Box::new(Single(delivery.acker))),
                period: 0,
            }
        }))
    }

    /// Ends the look.
    pub async fn close(self) {
        close(&self.connection, self.config.connect_timeout).await;
    }
}

impl Single {
    pub(in super::super) async fn ack(&self) -> bool {
        settled("ack", self.0.ack(BasicAckOptions::default()).await)
    }

    pub(in super::super) async fn requeue(&self) -> bool {
        settled("requeue", self.0.nack(BasicNackOptions { multiple: false, requeue: true }).await)
    }
}

fn settled(what: &str, result: lapin::Result<bool>) -> bool {
    // Either way of failing means that the connection is gone and the message is back in its queue.
    let done = result.unwrap_or(false);
    if !done {
        tracing::debug!("the {what} was lost with its connection");
    }
    done
}
