//! Publishing with confirms on a connection of its own, and the probe that shows that it works.
//!
//! How a publish can end, and what is known then ([`Link::publish`] tells them apart):
//! 1. An ack without a returned message: it is in its queue, on disk.
//! 2. A nack, an ack with the message returned, no connection, a blocked broker, a refused write: it is in no queue.
//! 3. A timeout, or a connection lost after the write: unknown. The connection is dropped and built anew.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lapin::Event;
use lapin::options::{ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::super::message::{Message, Properties};
use super::super::topology::{PROBE, Topology};
use super::super::{NotPublished, PublishError};
use super::connect::{AmqpConfig, FRAME_MAX, LinkError, close, within};
use super::link::Link;
use super::{TopologyError, convert, declare, supervisor};
use crate::clock::Stamp;
use crate::shutdown::Shutdown;

/// Publishes that may wait for their confirm at once. The client library queues without a bound.
const IN_FLIGHT: usize = 4096;
/// How often an idle connection shows that it can publish.
const PROBE_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Publisher {
    config: Arc<AmqpConfig>,
    link: watch::Sender<Option<Arc<Link>>>,
    in_flight: Semaphore,
    confirmed: Stamp,
    returned: Notify,
    closed: CancellationToken,
    first_look: watch::Sender<Option<Result<(), TopologyError>>>,
}

/// The publisher with what it needs to build its connection anew.
struct Supervised {
    publisher: Arc<Publisher>,
    topology: Arc<Topology>,
}

impl supervisor::Session for Supervised {
    async fn run(&self, held: &mut bool) -> Result<(), LinkError> {
        let ended = self.publisher.session(&self.topology, held).await;
        self.publisher.link.send_replace(None);
        if let Err(error) = &ended {
            self.publisher.looked(Err(error.into()));
        }
        ended
    }
}

impl Publisher {
    pub(super) fn start(config: Arc<AmqpConfig>, topology: Arc<Topology>, shutdown: &Shutdown) -> Arc<Self> {
        let this = Arc::new(Self {
            config,
            link: watch::Sender::new(None),
            in_flight: Semaphore::new(IN_FLIGHT),
            confirmed: Stamp::default(),
            returned: Notify::new(),
            closed: CancellationToken::new(),
            first_look: watch::Sender::new(None),
        });
        let publisher = Arc::clone(&this);
        shutdown.spawn(async move {
            let stop = publisher.closed.clone();
            supervisor::keep("publish", &stop, &Supervised { publisher, topology }).await;
        });
        this
    }

    pub(super) async fn publish(
        &self,
        exchange: &str,
        key: &str,
        message: Message,
    ) -> Result<(), PublishError> {
        let refused = PublishError::NotPublished;
        let properties = convert::to_publish(&message).map_err(refused)?;
        if message.headers_size() > FRAME_MAX as usize - 4096 {
            return Err(refused(NotPublished::Headers));
        }
        let (exchange, key) =
            (convert::short(exchange).map_err(refused)?, convert::short(key).map_err(refused)?);
        let link = self.link.borrow().clone().ok_or(refused(NotPublished::Disconnected))?;
        if link.connection.status().blocked() {
            return Err(refused(NotPublished::Blocked));
        }
        let _place = tokio::time::timeout(self.config.publish_timeout, self.in_flight.acquire())
            .await
            .map_err(|_| refused(NotPublished::Overloaded))?;
        let confirmed = tokio::time::timeout(
            self.config.publish_timeout,
            link.publish(exchange, key, &message.body, properties),
        );
        let ended = confirmed.await.unwrap_or_else(|_| {
            Err(PublishError::Unconfirmed(format!("no answer within {:?}", self.config.publish_timeout)))
        });
        match &ended {
            Ok(()) => {
                self.confirmed.mark();
                metrics::counter!("postrider_published_total").increment(1);
            }
            Err(PublishError::Unconfirmed(_)) => {
                metrics::counter!("postrider_publish_failed_total", "outcome" => "unconfirmed").increment(1);
                link.broken.cancel();
            }
            Err(PublishError::NotPublished(reason)) => {
                if let NotPublished::Returned(_) = reason {
                    self.returned.notify_one();
                }
                metrics::counter!("postrider_publish_failed_total", "outcome" => "not_published")
                    .increment(1);
            }
        }
        ended
    }

    pub(super) async fn depth(&self, queue: &str) -> Option<u64> {
        let link = self.link.borrow().clone()?;
        let limit = self.config.connect_timeout;
        // A channel of its own: asking for a queue that is not there closes the channel.
        let channel = within(limit, link.connection.create_channel()).await.ok()?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = convert::short(queue).ok()?;
        let state = within(limit, channel.queue_declare(name, options, FieldTable::default())).await.ok()?;
        let depth = u64::from(state.message_count());
        within(limit, channel.close(200, "done".into())).await.ok()?;
        Some(depth)
    }

    pub(super) fn confirmed_within(&self, age: Duration) -> bool {
        self.confirmed.is_within(age)
    }

    /// What the first attempt to connect found, once it has ended.
    pub(super) async fn first_look(&self) -> Result<(), TopologyError> {
        let mut looked = self.first_look.subscribe();
        // The sender is ours, so the watch never ends.
        looked.wait_for(Option::is_some).await.ok().and_then(|found| found.clone()).unwrap_or(Ok(()))
    }

    fn looked(&self, found: Result<(), TopologyError>) {
        self.first_look.send_if_modified(|first| first.is_none().then(|| *first = Some(found)).is_some());
    }

    pub(super) async fn connected(&self) {
        // The sender is ours, so the watch never ends.
        self.link.subscribe().wait_for(Option::is_some).await.ok();
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Connects, publishes the link, and watches it until it breaks.
    async fn session(&self, topology: &Topology, held: &mut bool) -> Result<(), LinkError> {
        let limit = self.config.connect_timeout;
        let connection = self.config.connect("publish").await?;
        let mut events = pin!(connection.events_listener());
        declare::ensure(&connection, topology, &self.config).await?;
        let channel = within(limit, connection.create_channel()).await?;
        within(limit, channel.confirm_select(ConfirmSelectOptions::default())).await?;
        let link = Arc::new(Link::new(connection, channel));
        self.probe(&link).await?;
        *held = true;
        self.looked(Ok(()));
        tracing::info!("the broker takes messages");
        self.link.send_replace(Some(Arc::clone(&link)));
        let mut tick = tokio::time::interval(PROBE_EVERY);
        loop {
            tokio::select! {
                () = self.closed.cancelled() => {
                    self.link.send_replace(None);
                    close(&link.connection, limit).await;
                    return Ok(());
                }
                () = link.broken.cancelled() => return Err(LinkError::Unconfirmed),
                // A queue was deleted while this connection was up.
                () = self.returned.notified() => declare::ensure(&link.connection, topology, &self.config).await?,
                // Errors of other channels are told too, such as a look at a queue that is not there.
                event = events.next() => if let Some(Event::Error(error)) = event && !link.connected() {
                    return Err(error.into());
                },
                _ = tick.tick() => {
                    if !link.connected() {
                        return Err(LinkError::Ended("the publishing channel".into()));
                    }
                    if !self.confirmed_within(PROBE_EVERY) && !link.connection.status().blocked() {
                        self.probe(&link).await?;
                    }
                }
            }
        }
    }

    /// Publishes one small message to a queue that keeps only the newest.
    async fn probe(&self, link: &Link) -> Result<(), LinkError> {
        let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
        let message = Message { properties, ..Message::default() };
        let properties = convert::to_publish(&message).expect("no headers, no long names");
        let limit = self.config.publish_timeout;
        match tokio::time::timeout(limit, link.publish(PROBE.into(), PROBE.into(), b"", properties)).await {
            Ok(Ok(())) => {
                self.confirmed.mark();
                Ok(())
            }
            Ok(Err(error)) => Err(LinkError::Ended(format!("the probe queue: {error}"))),
            Err(_) => Err(LinkError::Timeout(limit)),
        }
    }
}
