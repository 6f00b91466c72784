//! A node's mailbox on RabbitMQ: one connection for remote control and events, kept alive like the others.
//!
//! 1. Connect, declare the exchanges, and an exclusive queue of the node's name, bound to the broadcasts and consumed
//!    without acks. While another connection holds that name (405: a worker of the same name, or our own connection that
//!    the broker has not given up yet) the node waits and says nothing: two nodes of one name confuse all tools.
//! 2. Tell the worker that it is connected, then hand over what is heard and publish what is said.
//! 3. A user who may not declare these queues (403) works without remote control; it is logged once.
//!
//! Requests are dropped when nobody takes them: no client may make this connection stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, Consumer};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::mailbox::{Announcer, Heard, INBOX, Mailbox, MailboxConfig, OUTBOX, Said};
use super::announcer::{CONTROL_FRAME_MAX, Voice, declare};
use super::connect::{AmqpConfig, LinkError, close, within};
use super::{convert, supervisor};
use crate::shutdown::Shutdown;

/// The wait before the name of the queue is asked for again.
const NAME_TAKEN: Duration = Duration::from_secs(1);

/// Opens the mailbox in the background.
pub(super) fn open(config: Arc<AmqpConfig>, mailbox: MailboxConfig, shutdown: &Shutdown) -> Mailbox {
    let (outbox, said) = mpsc::channel(OUTBOX);
    let (tx, heard) = mpsc::channel(INBOX);
    let announcer =
        Announcer { outbox, live: Arc::new(AtomicBool::new(false)), close: CancellationToken::new() };
    let session = Session {
        config,
        mailbox,
        said: tokio::sync::Mutex::new(said),
        tx,
        live: Arc::clone(&announcer.live),
        close: announcer.close.clone(),
    };
    shutdown.spawn(async move {
        let stop = session.close.clone();
        supervisor::keep("control", &stop, &session).await;
    });
    Mailbox { heard, announcer }
}

struct Session {
    config: Arc<AmqpConfig>,
    mailbox: MailboxConfig,
    said: tokio::sync::Mutex<Receiver<Said>>,
    tx: Sender<Heard>,
    live: Arc<AtomicBool>,
    close: CancellationToken,
}

impl supervisor::Session for Session {
    async fn run(&self, held: &mut bool) -> Result<(), LinkError> {
        let ended = self.attend(held).await;
        self.live.store(false, Ordering::SeqCst);
        match ended {
            Err(error) if error.is_refused() => {
                tracing::warn!(
                    %error,
                    "remote control and events are off: this broker user may not declare their exchanges and queues"
                );
                Ok(())
            }
            ended => ended,
        }
    }
}

impl Session {
    async fn attend(&self, held: &mut bool) -> Result<(), LinkError> {
        let limit = self.config.connect_timeout;
        let connection = self.config.connect_framed("control", CONTROL_FRAME_MAX).await?;
        let Some(mut requests) = self.requests(&connection).await? else {
            close(&connection, limit).await;
            return Ok(());
        };
        let mut elections = if self.mailbox.elections {
            self.elections(&connection).await?.boxed()
        } else {
            futures::stream::pending().boxed()
        };
        let mut voice = Voice::new(&connection, &self.mailbox.namespace, limit);
        let mut said = self.said.lock().await;
        *held = true;
        self.live.store(true, Ordering::SeqCst);
        tokio::select! {
            // Unlike a request, it is not dropped when many wait: with it the worker says that it is online.
            _ = self.tx.send(Heard::Connected) => {}
            () = self.close.cancelled() => {}
        }
        loop {
            tokio::select! {
                () = self.close.cancelled() => break,
                Some(said) = said.recv() => voice.say(&said).await?,
                request = requests.next() => {
                    let request = request.ok_or_else(|| self.ended())??;
                    self.hear(Heard::Request(convert::received(&request.properties, request.data)));
                }
                election = elections.next() => {
                    let election = election.ok_or_else(|| self.ended())??;
                    self.hear(Heard::Election(convert::received(&election.properties, election.data)));
                }
            }
        }
        while let Ok(said) = said.try_recv() {
            voice.say(&said).await?;
        }
        close(&connection, limit).await;
        Ok(())
    }

    /// The broadcasts; `None` when it was closed while the name of the queue was taken.
    async fn requests(&self, connection: &Connection) -> Result<Option<Consumer>, LinkError> {
        let namespace = &self.mailbox.namespace;
        let queue = namespace.node_queue(&self.mailbox.node);
        let mut warned = false;
        loop {
            let arguments = [("x-expires", 10_000), ("x-message-ttl", 300_000)];
            match self.consume(connection, &queue, &namespace.pidbox(), "", arguments).await {
                Err(error) if error.is_locked() => {
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!(
                            worker.name = %self.mailbox.node,
                            "another connection holds this node's name: give each worker a name of its own; remote \
                             control and events wait"
                        );
                    }
                }
                consumer => return consumer.map(Some),
            }
            tokio::select! {
                () = self.close.cancelled() => return Ok(None),
                () = tokio::time::sleep(NAME_TAKEN) => {}
            }
        }
    }

    /// The elections that a worker starts, which are rare.
    async fn elections(&self, connection: &Connection) -> Result<Consumer, LinkError> {
        let events = &self.mailbox.namespace.events;
        let queue = format!("{events}.{}", Uuid::new_v4());
        let arguments = [("x-expires", 60_000), ("x-message-ttl", 5_000)];
        self.consume(connection, &queue, events, "worker.elect", arguments).await
    }

    async fn consume(
        &self,
        connection: &Connection,
        queue: &str,
        exchange: &str,
        key: &str,
        arguments: [(&str, i32); 2],
    ) -> Result<Consumer, LinkError> {
        let limit = self.config.connect_timeout;
        let short = |name: &str| convert::short(name).map_err(|error| LinkError::Ended(error.to_string()));
        // A channel of its own: a refusal closes it.
        let channel = within(limit, connection.create_channel()).await?;
        declare(&channel, &self.mailbox.namespace, exchange, limit).await?;
        let options =
            QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert(name.into(), AMQPValue::LongInt(value));
        }
        within(limit, channel.queue_declare(short(queue)?, options, table)).await?;
        let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
        within(limit, channel.queue_bind(short(queue)?, short(exchange)?, short(key)?, bind, none)).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(short(queue)?, "".into(), options, FieldTable::default());
        within(limit, consumer).await
    }

    fn hear(&self, heard: Heard) {
        if self.tx.try_send(heard).is_err() {
            tracing::debug!("a request was dropped: nobody takes them");
        }
    }

    fn ended(&self) -> LinkError {
        LinkError::Ended(self.mailbox.namespace.node_queue(&self.mailbox.node))
    }
}
