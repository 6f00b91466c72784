//! Publishing with confirms on a connection of its own, and the probe that shows that it works.
//!
//! How a publish can end, and what is known then ([`Link::publish`] tells them apart):
//! 1. An ack without a returned message: it is in its queue, on disk.
//! 2. A nack, an ack with the message returned, no connection, a blocked broker, a refused write: it is in no queue.
//! 3. A timeout, or a connection lost after the write: unknown. The connection is dropped and built anew.

mod aside;
mod queues;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lapin::types::ShortString;
use lapin::{BasicProperties, Event};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::super::message::{Message, Properties};
use super::super::topology::PROBE;
use super::super::{NotPublished, PublishError};
use super::connect::{AmqpConfig, FRAME_MAX, LinkError, close};
use super::declared::Declared;
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
    declared: Arc<Declared>,
    link: watch::Sender<Option<Arc<Link>>>,
    in_flight: Semaphore,
    confirmed: Stamp,
    returned: Notify,
    closed: CancellationToken,
    first_look: watch::Sender<Option<Result<(), TopologyError>>>,
}

/// A message as the client library takes it.
struct Ready {
    properties: BasicProperties,
    exchange: ShortString,
    key: ShortString,
}

impl supervisor::Session for Arc<Publisher> {
    async fn run(&self, held: &mut bool) -> Result<(), LinkError> {
        let ended = self.session(held).await;
        self.link.send_replace(None);
        if let Err(error) = &ended {
            self.looked(Err(error.into()));
        }
        ended
    }
}

impl Publisher {
    pub(super) fn start(config: Arc<AmqpConfig>, declared: Arc<Declared>, shutdown: &Shutdown) -> Arc<Self> {
        let this = Arc::new(Self {
            config,
            declared,
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
            supervisor::keep("publish", &stop, &publisher).await;
        });
        this
    }

    /// Publishes to an exchange.
    pub(super) async fn publish(
        &self,
        exchange: &str,
        key: &str,
        message: &Message,
    ) -> Result<(), PublishError> {
        let ended = if self.declared.has_exchange(exchange) {
            self.send(exchange, key, message).await
        } else {
            Box::pin(self.send_aside(exchange, key, message)).await
        };
        match &ended {
            Ok(()) => {
                self.confirmed.mark();
                metrics::counter!("postrider_published_total").increment(1);
            }
            Err(error) => {
                let outcome =
                    if let PublishError::Unconfirmed(_) = error { "unconfirmed" } else { "not_published" };
                metrics::counter!("postrider_publish_failed_total", "outcome" => outcome).increment(1);
            }
        }
        ended
    }

    async fn send(&self, exchange: &str, key: &str, message: &Message) -> Result<(), PublishError> {
        let Ready { properties, exchange, key } = Self::ready(exchange, key, message)?;
        let link = self.link()?;
        let _place = self.place().await?;
        let confirmed = link.lane.publish(exchange, key, &message.body, properties);
        let ended = self.in_time(confirmed).await;
        match &ended {
            Err(PublishError::Unconfirmed(_)) => link.broken.cancel(),
            Err(PublishError::NotPublished(NotPublished::Returned(_))) => self.returned.notify_one(),
            _ => {}
        }
        ended
    }

    fn ready(exchange: &str, key: &str, message: &Message) -> Result<Ready, PublishError> {
        let refused = PublishError::NotPublished;
        if message.headers_size() > FRAME_MAX as usize - 4096 {
            return Err(refused(NotPublished::Headers));
        }
        Ok(Ready {
            properties: convert::to_publish(message).map_err(refused)?,
            exchange: convert::short(exchange).map_err(refused)?,
            key: convert::short(key).map_err(refused)?,
        })
    }

    fn link(&self) -> Result<Arc<Link>, PublishError> {
        let refused = PublishError::NotPublished;
        let link = self.link.borrow().clone().ok_or(refused(NotPublished::Disconnected))?;
        if link.connection.status().blocked() { Err(refused(NotPublished::Blocked)) } else { Ok(link) }
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, PublishError> {
        let place = tokio::time::timeout(self.config.publish_timeout, self.in_flight.acquire());
        let place = place.await.map_err(|_| PublishError::NotPublished(NotPublished::Overloaded))?;
        Ok(place.expect("the semaphore is never closed"))
    }

    async fn in_time(
        &self,
        confirmed: impl Future<Output = Result<(), PublishError>>,
    ) -> Result<(), PublishError> {
        let limit = self.config.publish_timeout;
        let unconfirmed = || PublishError::Unconfirmed(format!("no answer within {limit:?}"));
        tokio::time::timeout(limit, confirmed).await.unwrap_or_else(|_| Err(unconfirmed()))
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
    async fn session(&self, held: &mut bool) -> Result<(), LinkError> {
        let limit = self.config.connect_timeout;
        let connection = self.config.connect("publish").await?;
        let mut events = pin!(connection.events_listener());
        self.declared.forget();
        declare::ensure(&connection, &self.declared.topology(), &self.config).await?;
        let link = Arc::new(Link::open(connection, limit).await?);
        self.probe(&link).await?;
        *held = true;
        tracing::info!("the broker takes messages");
        self.link.send_replace(Some(Arc::clone(&link)));
        self.looked(Ok(()));
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
                () = self.returned.notified() => {
                    declare::ensure(&link.connection, &self.declared.topology(), &self.config).await?;
                }
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
        match tokio::time::timeout(limit, link.lane.publish(PROBE.into(), PROBE.into(), b"", properties))
            .await
        {
            Ok(Ok(())) => {
                self.confirmed.mark();
                Ok(())
            }
            Ok(Err(error)) => Err(LinkError::Ended(format!("the probe queue: {error}"))),
            Err(_) => Err(LinkError::Timeout(limit)),
        }
    }
}
