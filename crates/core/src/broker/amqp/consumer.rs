//! Consuming on a connection of its own, a channel a queue.
//!
//! The stream of deliveries that the worker sees goes on across lost connections. Deliveries that were taken before the
//! loss can no longer be acked; the broker hands them out again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::SelectAll;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::Subscription;
use super::super::delivery::{Acker, Consumer, Delivery};
use super::super::message::Message;
use super::super::topology::Topology;
use super::connect::{AmqpConfig, LinkError, close, within};
use super::{convert, declare, supervisor};
use crate::shutdown::Shutdown;

/// Settles one delivery.
#[derive(Debug)]
pub(in super::super) struct AmqpAcker(lapin::message::Delivery);

impl AmqpAcker {
    /// Takes the message out of what the client library handed out, and keeps the rest to settle it with.
    pub(super) fn split(mut delivery: lapin::message::Delivery) -> (Message, Self) {
        let body = std::mem::take(&mut delivery.data);
        (convert::received(&delivery.properties, body), Self(delivery))
    }

    pub(in super::super) async fn ack(&self) -> bool {
        settled("ack", self.0.acker.ack(BasicAckOptions::default()).await)
    }

    pub(in super::super) async fn requeue(&self) -> bool {
        settled("requeue", self.0.acker.nack(BasicNackOptions { multiple: false, requeue: true }).await)
    }
}

fn settled(what: &str, result: lapin::Result<bool>) -> bool {
    // Either way of failing means that the connection is gone and the broker hands the message out again.
    let done = result.unwrap_or(false);
    if !done {
        tracing::debug!("the {what} was lost with its connection");
        metrics::counter!("postrider_acks_lost_total").increment(1);
    }
    done
}

pub(super) fn start(
    config: Arc<AmqpConfig>,
    topology: Arc<Topology>,
    subscriptions: Vec<Subscription>,
    shutdown: &Shutdown,
) -> Consumer {
    let (tx, deliveries) = mpsc::channel(1);
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
    tag: lapin::types::ShortString,
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
        for subscription in &self.subscriptions {
            let (one, consumer) = self.subscribe(&connection, subscription).await?;
            let queue = Arc::clone(&one.queue);
            // The end of a stream is an item here, else `SelectAll` would drop it silently.
            let ends = futures::stream::iter([None]);
            streams.push(consumer.map(Some).chain(ends).map(move |item| (Arc::clone(&queue), item)));
            subscribed.push(one);
        }
        *held = true;
        self.live.store(true, Ordering::SeqCst);
        tracing::info!(queues = %self.names(), "consuming");
        loop {
            let place = tokio::select! {
                () = self.cancel.cancelled() => break,
                place = self.tx.reserve() => match place { Ok(place) => place, Err(_) => break },
            };
            let (queue, item) = tokio::select! {
                () = self.cancel.cancelled() => break,
                item = streams.next() => item.ok_or_else(|| LinkError::Ended(self.names()))?,
            };
            let delivery = item.ok_or_else(|| LinkError::Ended(queue.to_string()))??;
            let redelivered = delivery.redelivered;
            let (message, acker) = AmqpAcker::split(delivery);
            place.send(Delivery { queue, redelivered, message, acker: Acker::Amqp(Box::new(acker)) });
        }
        self.live.store(false, Ordering::SeqCst);
        for one in &subscribed {
            let cancelled = one.channel.basic_cancel(one.tag.clone(), BasicCancelOptions::default());
            within(self.config.connect_timeout, cancelled).await?;
        }
        self.give_back(&mut streams).await;
        // What the worker has taken is acked on this connection until it says that it is done.
        self.close.cancelled().await;
        close(&connection, self.config.connect_timeout).await;
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
        Ok((Subscribed { queue, tag: consumer.tag(), channel }, consumer))
    }

    /// Requeues what the broker had handed out and nobody had taken, so that another worker gets it at once.
    async fn give_back<S>(&self, streams: &mut SelectAll<S>)
    where
        S: futures::Stream<Item = (Arc<str>, Option<lapin::Result<lapin::message::Delivery>>)> + Unpin,
    {
        let rest = async {
            while let Some((_, item)) = streams.next().await {
                if let Some(Ok(delivery)) = item {
                    AmqpAcker(delivery).requeue().await;
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(2), rest).await.is_err() {
            tracing::debug!("prefetched messages go back when the connection closes");
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.subscriptions.iter().map(|one| one.queue.as_str()).collect();
        names.join(",")
    }
}
