//! The channels of one consuming connection, and bringing them to agree with what is wanted.
//!
//! RabbitMQ takes a new prefetch for a new consumer only, on quorum queues as on classic ones. So a changed prefetch ends
//! one consumer and begins another on the same channel; what the first had been given stays on the channel and is settled
//! there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{FutureExt as _, StreamExt as _};
use lapin::Connection;

use super::super::super::Subscription;
use super::super::super::delivery::{Acker, Delivery};
use super::super::acks::Acks;
use super::super::connect::LinkError;
use super::super::convert;
use super::numbered::{Item, Numbered};
use super::source::Source;

/// How long giving back what nobody has taken may take.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// The channels of one connection, and what has come in on them.
pub(super) struct Flow<'a> {
    connection: &'a Connection,
    limit: Duration,
    sources: Vec<Source>,
    pub(super) streams: SelectAll<Numbered>,
    /// Taken out of the client library to be marked with their period.
    held: VecDeque<Delivery>,
    pub(super) period: u32,
    /// Which list of what is wanted it agrees with.
    pub(super) version: u64,
    /// What was logged: the queues and the prefetch.
    told: (String, u16),
}

/// What came of bringing the channels to agree with what is wanted.
#[derive(Default)]
pub(super) struct Agreed {
    /// The queues from which nothing is taken any more.
    pub(super) ended: Vec<Arc<str>>,
    /// Those that this user may not read.
    pub(super) refused: Vec<(Arc<str>, LinkError)>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(connection: &'a Connection, limit: Duration) -> Self {
        Self {
            connection,
            limit,
            sources: Vec::new(),
            streams: SelectAll::new(),
            held: VecDeque::new(),
            period: 0,
            version: 0,
            told: (String::new(), 0),
        }
    }

    /// What settles the deliveries of each channel.
    pub(super) fn acks(&self) -> Vec<Arc<Acks>> {
        self.sources.iter().map(|source| Arc::clone(&source.acks)).collect()
    }

    /// What a stream's item means: a delivery, or the end of a consumer that was asked to end.
    pub(super) fn delivery(&mut self, number: usize, item: Item) -> Result<Option<Delivery>, LinkError> {
        let source = &mut self.sources[number];
        let Some(delivery) = item.transpose()? else {
            let asked = std::mem::take(&mut source.ending);
            return if asked { Ok(None) } else { Err(LinkError::Ended(source.queue.to_string())) };
        };
        Ok(Some(Delivery {
            queue: Arc::clone(&source.queue),
            redelivered: delivery.redelivered,
            message: convert::received(&delivery.properties, delivery.data),
            exchange: delivery.exchange.into(),
            routing_key: delivery.routing_key.into(),
            acker: Acker::Amqp(source.acks.ticket(delivery.delivery_tag)),
            period: self.period,
        }))
    }

    pub(super) fn next_held(&mut self) -> Option<Delivery> {
        self.held.pop_front()
    }

    /// In which period the delivery was marked that has been held longest.
    pub(super) fn oldest_held(&self) -> Option<u32> {
        self.held.front().map(|delivery| delivery.period)
    }

    /// Marks what has come in during this period, and begins the next one.
    pub(super) fn next_period(&mut self) -> Result<(), LinkError> {
        self.take_in()?;
        self.period += 1;
        Ok(())
    }

    /// Takes what has come in out of the client library.
    fn take_in(&mut self) -> Result<(), LinkError> {
        while let Some(Some((number, item))) = self.streams.next().now_or_never() {
            let delivery = self.delivery(number, item)?;
            self.held.extend(delivery);
        }
        Ok(())
    }

    /// Consumes what is wanted and no more.
    pub(super) async fn agree(&mut self, wanted: &[Subscription]) -> Result<Agreed, LinkError> {
        let Agreed { mut ended, mut refused } = Agreed::default();
        for number in 0..self.sources.len() {
            let source = &self.sources[number];
            let want = wanted.iter().find(|one| *one.queue == *source.queue);
            let prefetch = want.map(|one| one.prefetch);
            if source.closed || source.prefetch() == prefetch {
                continue;
            }
            self.end(number).await?;
            if let Some(prefetch) = prefetch {
                self.consume(number, prefetch).await?;
            } else {
                self.sources[number].closed = true;
                ended.push(Arc::clone(&self.sources[number].queue));
            }
        }
        for Subscription { queue, prefetch, .. } in wanted {
            if !self.sources.iter().any(|source| !source.closed && *source.queue == **queue) {
                self.sources.push(Source::open(self.connection, self.limit, queue).await?);
                let number = self.sources.len() - 1;
                match self.consume(number, *prefetch).await {
                    // The broker has closed the channel, and no other one.
                    Err(error) if error.is_refused() => {
                        let source = &mut self.sources[number];
                        source.closed = true;
                        refused.push((Arc::clone(&source.queue), error));
                    }
                    begun => begun?,
                }
            }
        }
        for source in &self.sources {
            source.close_if_idle(self.limit).await;
        }
        self.tell(wanted);
        Ok(Agreed { ended, refused })
    }

    /// Logs what is consumed, once for each change.
    fn tell(&mut self, wanted: &[Subscription]) {
        let queues: Vec<&str> = wanted.iter().map(|one| one.queue.as_str()).collect();
        let told = (queues.join(","), wanted.first().map_or(0, |one| one.prefetch));
        if told != self.told {
            tracing::info!(queues = %told.0, prefetch = told.1, "consuming");
            self.told = told;
        }
    }

    /// Ends all consumers; what they had been given is held.
    pub(super) async fn stop(&mut self) -> Result<(), LinkError> {
        for number in 0..self.sources.len() {
            self.end(number).await?;
        }
        Ok(())
    }

    /// Requeues these, what is held of ended consumers, and tells how many went back. What does not in time goes back with
    /// the connection only, so that this one must end.
    pub(super) async fn give_back(&mut self, waiting: VecDeque<Delivery>) -> Result<usize, LinkError> {
        let idle = |sources: &[Source], queue: &str| {
            !sources.iter().any(|source| *source.queue == *queue && source.prefetch().is_some())
        };
        let held = std::mem::take(&mut self.held);
        let (back, kept): (VecDeque<_>, _) =
            held.into_iter().partition(|delivery| idle(&self.sources, &delivery.queue));
        self.held = kept;
        let count = waiting.len() + back.len();
        let rest = async {
            for delivery in waiting.into_iter().chain(back) {
                delivery.requeue().await;
            }
        };
        metrics::counter!("postrider_deliveries_given_back_total").increment(count as u64);
        let back = tokio::time::timeout(GIVE_BACK, rest).await;
        back.map(|()| count).map_err(|_| LinkError::Timeout(GIVE_BACK))
    }

    async fn consume(&mut self, number: usize, prefetch: u16) -> Result<(), LinkError> {
        let consumer = self.sources[number].consume(self.limit, prefetch).await?;
        self.streams.push(Numbered::new(number, consumer));
        Ok(())
    }

    /// Ends a consumer, if one runs, and takes in all that it was given: what the next one on its channel is given comes
    /// after it.
    async fn end(&mut self, number: usize) -> Result<(), LinkError> {
        self.sources[number].cancel(self.limit).await?;
        let limit = self.limit;
        let taken = tokio::time::timeout(limit, self.take_in_until_the_end_of(number)).await;
        taken.unwrap_or(Err(LinkError::Timeout(limit)))
    }

    async fn take_in_until_the_end_of(&mut self, number: usize) -> Result<(), LinkError> {
        while self.sources[number].ending
            && let Some((number, item)) = self.streams.next().await
        {
            let delivery = self.delivery(number, item)?;
            self.held.extend(delivery);
        }
        Ok(())
    }
}
