//! One publish on one channel, and what its answer means.
//!
//! The broker closes a channel whose publish names an exchange that is not there or may not be written to, and takes every
//! publish that waits on it down with it. So exchanges of the topology have one lane, and all others another one.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection, Error, ErrorKind};
use tokio_util::sync::CancellationToken;

use super::super::{NotPublished, PublishError};
use super::connect::{LinkError, within};

/// A connection that takes publishes.
pub(super) struct Link {
    pub(super) connection: Connection,
    /// For the exchanges of the topology.
    pub(super) lane: Lane,
    /// For all others; opened when it is first needed, and anew after the broker has closed it.
    aside: tokio::sync::Mutex<Option<Arc<Lane>>>,
    /// Cancelled by a publish that got no answer: this link, and no later one, is given up.
    pub(super) broken: CancellationToken,
}

/// A channel in confirm mode.
pub(super) struct Lane {
    channel: Channel,
    /// Held while a publish takes its sequence number and its place in the queue of frames, so that both agree.
    order: Mutex<()>,
}

impl Link {
    pub(super) async fn open(connection: Connection, limit: Duration) -> Result<Self, LinkError> {
        let lane = Lane::open(&connection, limit).await?;
        Ok(Self { connection, lane, aside: tokio::sync::Mutex::default(), broken: CancellationToken::new() })
    }

    /// Whether neither the connection nor the channel has ended.
    pub(super) fn connected(&self) -> bool {
        self.connection.status().connected() && self.lane.connected()
    }

    /// The lane for exchanges that are not ours to count on.
    pub(super) async fn aside(&self, limit: Duration) -> Result<Arc<Lane>, LinkError> {
        let mut aside = self.aside.lock().await;
        match &*aside {
            Some(lane) if lane.connected() => Ok(Arc::clone(lane)),
            _ => Ok(Arc::clone(aside.insert(Arc::new(Lane::open(&self.connection, limit).await?)))),
        }
    }
}

impl Lane {
    async fn open(connection: &Connection, limit: Duration) -> Result<Self, LinkError> {
        let channel = within(limit, connection.create_channel()).await?;
        within(limit, channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self { channel, order: Mutex::new(()) })
    }

    fn connected(&self) -> bool {
        self.channel.status().connected()
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
            _ => unconfirmed(&error),
        })?;
        match confirm.await {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(Confirmation::Ack(Some(returned))) => Err(PublishError::NotPublished(NotPublished::Returned(
                format!("{} {}", returned.reply_code, returned.reply_text),
            ))),
            Ok(Confirmation::Nack(_)) => Err(PublishError::NotPublished(NotPublished::Nacked)),
            Ok(Confirmation::NotRequested) => unreachable!("the channel is in confirm mode"),
            Err(error) => Err(unconfirmed(&error)),
        }
    }
}

fn unconfirmed(error: &Error) -> PublishError {
    PublishError::Unconfirmed(error.to_string())
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
