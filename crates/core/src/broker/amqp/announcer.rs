//! Publishing without confirms: events, and replies to whoever asked.
//!
//! A publish to an exchange that is not there closes the channel, some time later. So each exchange is declared before
//! its first use as Celery declares it, and a channel that was closed is replaced at the next message; what was said in
//! between is lost, as it may be.

use std::collections::HashSet;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ExchangeKind};

use super::super::mailbox::{Namespace, Said};
use super::connect::{LinkError, within};
use super::convert;

/// Largest frame of a connection for remote control, in bytes: a batch of events fits one, a long reply takes several.
pub(super) const CONTROL_FRAME_MAX: u32 = 16 * 1024;

/// A channel that speaks.
pub(super) struct Voice<'a> {
    connection: &'a Connection,
    namespace: &'a Namespace,
    limit: Duration,
    channel: Option<Channel>,
    declared: HashSet<String>,
}

impl<'a> Voice<'a> {
    pub(super) fn new(connection: &'a Connection, namespace: &'a Namespace, limit: Duration) -> Self {
        Self { connection, namespace, limit, channel: None, declared: HashSet::new() }
    }

    /// Publishes; an error is one of the connection. A message that cannot be said is dropped.
    pub(super) async fn say(&mut self, said: &Said) -> Result<(), LinkError> {
        if self.connection.status().blocked() {
            tracing::debug!("the broker blocks publishing; an event or a reply is dropped");
            return Ok(());
        }
        match self.publish(said).await {
            Ok(()) => Ok(()),
            Err(error) if self.connection.status().connected() => {
                tracing::debug!(exchange = %said.exchange, %error, "an event or a reply was not published");
                self.channel = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn publish(&mut self, said: &Said) -> Result<(), LinkError> {
        let told = |error: super::super::NotPublished| LinkError::Ended(error.to_string());
        let properties = convert::to_publish(&said.message).map_err(told)?;
        let (exchange, key) =
            (convert::short(&said.exchange).map_err(told)?, convert::short(&said.key).map_err(told)?);
        let channel = self.channel_to(&said.exchange).await?;
        let published = channel.basic_publish(
            exchange,
            key,
            BasicPublishOptions::default(),
            &said.message.body,
            properties,
        );
        within(self.limit, published).await.map(|_unconfirmed| ())
    }

    /// The channel, with that exchange declared.
    async fn channel_to(&mut self, exchange: &str) -> Result<Channel, LinkError> {
        let open = self.channel.take().filter(|channel| channel.status().connected());
        let channel = if let Some(channel) = open {
            channel
        } else {
            self.declared.clear();
            within(self.limit, self.connection.create_channel()).await?
        };
        if !exchange.is_empty() && !self.declared.contains(exchange) {
            declare(&channel, self.namespace, exchange, self.limit).await?;
            self.declared.insert(exchange.to_owned());
        }
        Ok(self.channel.insert(channel).clone())
    }
}

/// Declares an exchange of remote control as Celery does: events are a durable topic, requests a fanout, and any other is
/// one that replies go through.
pub(super) async fn declare(
    channel: &Channel,
    namespace: &Namespace,
    exchange: &str,
    limit: Duration,
) -> Result<(), LinkError> {
    let (kind, durable) = if exchange == namespace.events {
        (ExchangeKind::Topic, true)
    } else if exchange == namespace.pidbox() {
        (ExchangeKind::Fanout, false)
    } else {
        (ExchangeKind::Direct, false)
    };
    let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
    let name = convert::short(exchange).map_err(|error| LinkError::Ended(error.to_string()))?;
    within(limit, channel.exchange_declare(name, kind, options, FieldTable::default())).await
}
