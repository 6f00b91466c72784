//! A queue of this process alone on RabbitMQ: declared and consumed on a connection of its own, kept alive like the
//! others.
//!
//! The queue goes with its last consumer, and what lay in it with it: an answer that comes while the connection is down
//! is lost, as it is for a caller in Python.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::super::message::Message;
use super::super::reply_queue::{INBOX, ReplyQueue};
use super::connect::{AmqpConfig, LinkError, close, within};
use super::{AmqpBroker, convert, supervisor};
use crate::shutdown::Shutdown;

impl AmqpBroker {
    /// See [`crate::broker::Broker::reply_queue`].
    pub(in super::super) fn reply_queue(
        &self,
        name: &str,
        expires: Duration,
        close: CancellationToken,
        shutdown: &Shutdown,
    ) -> ReplyQueue {
        let (tx, messages) = mpsc::channel(INBOX);
        let (listens, listening) = watch::channel(false);
        let config = Arc::clone(&self.config);
        let session = Session { config, name: name.into(), expires, tx, listens, close };
        shutdown.spawn(async move {
            let stop = session.close.clone();
            supervisor::keep("replies", &stop, &session).await;
        });
        ReplyQueue { messages, listening }
    }
}

struct Session {
    config: Arc<AmqpConfig>,
    name: String,
    expires: Duration,
    tx: mpsc::Sender<Message>,
    listens: watch::Sender<bool>,
    close: CancellationToken,
}

impl supervisor::Session for Session {
    async fn run(&self, held: &mut bool) -> Result<(), LinkError> {
        let ended = self.listen(held).await;
        self.listens.send_replace(false);
        ended
    }
}

impl Session {
    async fn listen(&self, held: &mut bool) -> Result<(), LinkError> {
        let limit = self.config.connect_timeout;
        let name = || convert::short(&self.name).map_err(|error| LinkError::Ended(error.to_string()));
        let connection = self.config.connect("replies").await?;
        let channel = within(limit, connection.create_channel()).await?;
        let options =
            QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(crate::clock::millis(self.expires)));
        within(limit, channel.queue_declare(name()?, options, arguments)).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(name()?, "".into(), options, FieldTable::default());
        let mut answers = within(limit, consumer).await?;
        *held = true;
        self.listens.send_replace(true);
        loop {
            let answer = tokio::select! {
                () = self.close.cancelled() => break,
                answer = answers.next() => answer.ok_or_else(|| LinkError::Ended(self.name.clone()))??,
            };
            let message = convert::received(&answer.properties, answer.data);
            if self.tx.send(message).await.is_err() {
                break;
            }
        }
        close(&connection, limit).await;
        Ok(())
    }
}
