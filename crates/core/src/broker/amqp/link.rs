//! One publish on one channel, and what its answer means.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ErrorKind};
use tokio_util::sync::CancellationToken;

use super::super::{NotPublished, PublishError};

/// A connection that takes publishes, and its channel in confirm mode.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) channel: Channel,
    /// Held while a publish takes its sequence number and its place in the queue of frames, so that both agree.
    order: Mutex<()>,
    /// Cancelled by a publish that got no answer: this link, and no later one, is given up.
    pub(super) broken: CancellationToken,
}

impl Link {
    pub(super) fn new(connection: Connection, channel: Channel) -> Self {
        Self { connection, channel, order: Mutex::new(()), broken: CancellationToken::new() }
    }

    /// Whether neither the connection nor the channel has ended.
    pub(super) fn connected(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Publishes and waits for the answer, without a limit of its own.
    pub(super) async fn publish(
        &self,
        exchange: ShortString,
        key: ShortString,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let mut written = pin!(self.channel.basic_publish(exchange, key, options, body, properties));
        let mut first = true;
        let written = poll_fn(|cx| {
            let _order = first.then(|| self.order.lock().unwrap_or_else(PoisonError::into_inner));
            first = false;
            written.as_mut().poll(cx)
        });
        let confirm = written.await.map_err(|error| match error.kind() {
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                PublishError::NotPublished(NotPublished::Disconnected)
            }
            _ => PublishError::Unconfirmed(error.to_string()),
        })?;
        match confirm.await {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(Confirmation::Ack(Some(returned))) => Err(PublishError::NotPublished(NotPublished::Returned(
                format!("{} {}", returned.reply_code, returned.reply_text),
            ))),
            Ok(Confirmation::Nack(_)) => Err(PublishError::NotPublished(NotPublished::Nacked)),
            Ok(Confirmation::NotRequested) => unreachable!("the channel is in confirm mode"),
            Err(error) => Err(PublishError::Unconfirmed(error.to_string())),
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
