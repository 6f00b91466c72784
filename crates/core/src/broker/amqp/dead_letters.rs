//! Looking through a queue by hand, for the commands on the dead-letter queue.

use lapin::options::BasicGetOptions;
use lapin::{Channel, Connection};

use super::super::delivery::{Acker, Delivery};
use super::connect::{AmqpConfig, LinkError, close, within};
use super::consumer::AmqpAcker;
use super::convert;
use crate::broker::TopologyError;

/// A look through one queue, message by message. What is not acked goes back when it is closed.
pub struct DeadLetters {
    connection: Connection,
    channel: Channel,
    config: AmqpConfig,
    queue: String,
}

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
            let redelivered = got.delivery.redelivered;
            let (message, acker) = AmqpAcker::split(got.delivery);
            Delivery {
                queue: self.queue.as_str().into(),
                redelivered,
                message,
                acker: Acker::Amqp(Box::new(acker)),
            }
        }))
    }

    /// Ends the look.
    pub async fn close(self) {
        close(&self.connection, self.config.connect_timeout).await;
    }
}
