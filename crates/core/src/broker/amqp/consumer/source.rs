//! A channel of a consuming connection: what one queue hands out comes on it, and is settled on it.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};

use super::super::acks::Acks;
use super::super::connect::{LinkError, within};
use super::super::convert;

/// A channel, for one queue.
pub(super) struct Source {
    pub(super) queue: Arc<str>,
    pub(super) acks: Arc<Acks>,
    channel: Channel,
    /// The consumer that runs: its tag and its prefetch.
    consuming: Option<(ShortString, u16)>,
    /// A consumer was ended whose stream has not been seen to end.
    pub(super) ending: bool,
    /// Nothing more is taken from it; it is there for what it has handed out.
    pub(super) closed: bool,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.acks.close();
    }
}

impl Source {
    /// Opens a channel that nothing is consumed on yet.
    pub(super) async fn open(
        connection: &Connection,
        limit: Duration,
        queue: &str,
    ) -> Result<Self, LinkError> {
        let channel = within(limit, connection.create_channel()).await?;
        let acks = Acks::new(channel.clone());
        Ok(Self { queue: queue.into(), acks, channel, consuming: None, ending: false, closed: false })
    }

    /// The prefetch of the consumer that runs.
    pub(super) fn prefetch(&self) -> Option<u16> {
        self.consuming.as_ref().map(|(_, prefetch)| *prefetch)
    }

    /// Begins a consumer; none may run.
    pub(super) async fn consume(&mut self, limit: Duration, prefetch: u16) -> Result<Consumer, LinkError> {
        // Per consumer: a global prefetch closes the whole connection on a quorum queue (540).
        within(limit, self.channel.basic_qos(prefetch, BasicQosOptions { global: false })).await?;
        let name = convert::short(&self.queue).map_err(|error| LinkError::Ended(error.to_string()))?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = within(limit, self.channel.basic_consume(name, "".into(), options, arguments)).await?;
        self.consuming = Some((consumer.tag(), prefetch));
        Ok(consumer)
    }

    /// Asks the broker to end the consumer, if one runs.
    pub(super) async fn cancel(&mut self, limit: Duration) -> Result<(), LinkError> {
        if let Some((tag, _)) = self.consuming.take() {
            self.ending = true;
            within(limit, self.channel.basic_cancel(tag, BasicCancelOptions::default())).await?;
        }
        Ok(())
    }

    /// Closes the channel if it is there for nothing any more.
    pub(super) async fn close_if_idle(&self, limit: Duration) {
        if self.closed
            && self.channel.status().connected()
            && self.acks.is_idle()
            && let Err(error) = within(limit, self.channel.close(200, "done".into())).await
        {
            tracing::debug!(%error, "a channel that is not used any more was not closed in order");
        }
    }
}
