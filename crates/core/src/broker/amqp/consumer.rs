//! Consuming on a connection of its own, a channel a queue.
//!
//! The stream of deliveries that the worker sees goes on across lost connections. Deliveries that were taken before the
//! loss can no longer be acked; the broker hands them out again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::SelectAll;
use futures::{Stream, StreamExt as _};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::Subscription;
use super::super::delivery::{Acker, Consumer, Delivery};
use super::super::topology::Topology;
use super::acks::Acks;
use super::connect::{AmqpConfig, LinkError, close, within};
use super::{convert, declare, supervisor};
use crate::shutdown::Shutdown;

/// How many deliveries lie between the connection and the pool. They are given back when the consumer is cancelled.
const HANDED_OVER: usize = 64;
/// How long giving back what nobody has taken may take.
const GIVE_BACK: Duration = Duration::from_secs(2);

pub(super) fn start(
    config: Arc<AmqpConfig>,
    topology: Arc<Topology>,
    subscriptions: Vec<Subscription>,
    shutdown: &Shutdown,
) -> Consumer {
    let (tx, deliveries) = mpsc::channel(HANDED_OVER);
    let (cancel, closing) = (CancellationToken::new(), CancellationToken::new());
    let live = Arc::new(AtomicBool::new(false));
    let session = Session {
        config,
        topology,
        subscriptions,
        tx,
        cancel: cancel.clone(),
        close: closing.clone(),
        live: Arc::clone(&live),
        failed: AtomicBool::new(false),
    };
    shutdown.spawn(async move {
        let stop = session.cancel.clone();
        supervisor::keep("consume", &stop, &session).await;
    });
    Consumer { deliveries, cancel, close: closing, live }
}

struct Session {
    config: Arc<AmqpConfig>,
    topology: Arc<Topology>,
    subscriptions: Vec<Subscription>,
    tx: mpsc::Sender<Delivery>,
    cancel: CancellationToken,
    close: CancellationToken,
    live: Arc<AtomicBool>,
    /// Whether an earlier session ended with an error.
    failed: AtomicBool,
}

impl supervisor::Session for Session {
    async fn run(&self, held: &mut bool) -> Result<(), LinkError> {
        let ended = self.consume(held).await;
        self.live.store(false, Ordering::SeqCst);
        ended
    }
}

struct Subscribed {
    queue: Arc<str>,
    channel: Channel,
    tag: ShortString,
    acks: Arc<Acks>,
}

/// What the broker hands out, by the number of the subscription; `None` where one has ended.
type Handed = (usize, Option<lapin::Result<lapin::message::Delivery>>);

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.acks.close();
    }
}

impl Session {
    async fn consume(&self, held: &mut bool) -> Result<(), LinkError> {
        let connection = self.config.connect("consume").await?;
        // The publishing connection makes sure of the queues when both connect. Only when this one failed by itself,
        // for example because its queue was deleted, must it look for itself.
        if self.failed.swap(true, Ordering::SeqCst) {
            declare::ensure(&connection, &self.topology, &self.config).await?;
        }
        let mut subscribed = Vec::new();
        let mut streams = SelectAll::new();
        for (number, subscription) in self.subscriptions.iter().enumerate() {
            let (one, consumer) = self.subscribe(&connection, subscription).await?;
            // The end of a stream is an item here, else `SelectAll` would drop it silently.
            let ends = futures::stream::iter([None]);
            streams.push(consumer.map(Some).chain(ends).map(move |item| (number, item)));
            subscribed.push(one);
        }
        *held = true;
        self.live.store(true, Ordering::SeqCst);
        tracing::info!(queues = %self.names(), "consuming");

        let flushing = try_join_all(subscribed.iter().map(|one| one.acks.keep_flushing()));
        tokio::select! {
            done = self.hand_out(&subscribed, &mut streams) => done?,
            Err(error) = flushing => return Err(error),
        }
        for one in &subscribed {
            let flushed = tokio::time::timeout(self.config.connect_timeout, one.acks.flush_all()).await;
            flushed.map_err(|_| LinkError::Timeout(self.config.connect_timeout))??;
        }
        close(&connection, self.config.connect_timeout).await;
        Ok(())
    }

    /// Hands out until the consumer is cancelled, then waits until the worker says that it is done.
    async fn hand_out<S>(
        &self,
        subscribed: &[Subscribed],
        streams: &mut SelectAll<S>,
    ) -> Result<(), LinkError>
    where
        S: Stream<Item = Handed> + Unpin,
    {
        // Each wait looks at the cancellation last: what is there already costs no registration with it.
        while !self.cancel.is_cancelled() {
            let place = tokio::select! {
                biased;
                place = self.tx.reserve() => match place { Ok(place) => place, Err(_) => break },
                () = self.cancel.cancelled() => break,
            };
            let (number, item) = tokio::select! {
                biased;
                item = streams.next() => item.ok_or_else(|| LinkError::Ended(self.names()))?,
                () = self.cancel.cancelled() => break,
            };
            let Subscribed { queue, acks, .. } = &subscribed[number];
            let delivery = item.ok_or_else(|| LinkError::Ended(queue.to_string()))??;
            place.send(Delivery {
                queue: Arc::clone(queue),
                redelivered: delivery.redelivered,
                message: convert::received(&delivery.properties, delivery.data),
                acker: Acker::Amqp(acks.ticket(delivery.delivery_tag)),
            });
        }
        self.live.store(false, Ordering::SeqCst);
        for one in subscribed {
            let cancelled = one.channel.basic_cancel(one.tag.clone(), BasicCancelOptions::default());
            within(self.config.connect_timeout, cancelled).await?;
        }
        give_back(streams).await;
        // What the worker has taken is acked on this connection until it says that it is done.
        self.close.cancelled().await;
        Ok(())
    }

    async fn subscribe(
        &self,
        connection: &Connection,
        subscription: &Subscription,
    ) -> Result<(Subscribed, lapin::Consumer), LinkError> {
        let limit = self.config.connect_timeout;
        let channel = within(limit, connection.create_channel()).await?;
        // Per consumer: a global prefetch closes the whole connection on a quorum queue (540).
        within(limit, channel.basic_qos(subscription.prefetch, BasicQosOptions { global: false })).await?;
        let name =
            convert::short(&subscription.queue).map_err(|error| LinkError::Ended(error.to_string()))?;
        let consume =
            channel.basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default());
        let consumer = within(limit, consume).await?;
        let queue = Arc::from(subscription.queue.as_str());
        let acks = Acks::new(channel.clone());
        Ok((Subscribed { queue, tag: consumer.tag(), channel, acks }, consumer))
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.subscriptions.iter().map(|one| one.queue.as_str()).collect();
        names.join(",")
    }
}

/// Requeues what the broker had handed out and nobody had taken, so that another worker gets it at once.
async fn give_back(streams: &mut (impl Stream<Item = Handed> + Unpin)) {
    let rest = async {
        while let Some((_, item)) = streams.next().await {
            if let Some(Ok(delivery)) = item {
                let options = BasicNackOptions { multiple: false, requeue: true };
                if let Err(error) = delivery.nack(options).await {
                    tracing::debug!(%error, "a prefetched message goes back when the connection closes");
                }
            }
        }
    };
    if tokio::time::timeout(GIVE_BACK, rest).await.is_err() {
        tracing::debug!("prefetched messages go back when the connection closes");
    }
}
