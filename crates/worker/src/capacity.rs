//! How much a worker does at once, and changing it while it works: the size of its pool, and with it how many messages the
//! broker hands out ahead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postrider_core::broker::Consumers;
use tokio_util::sync::CancellationToken;

use crate::autoscale::{Autoscale, Autoscaler, Scale};
use crate::blocking::Threads;
use crate::pool::{Pool, ShrinkError};

/// How often the load is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How many messages the broker hands out ahead, a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefetch {
    /// The number of places and an eighth of it, so that a place need not wait until an ack has gone to the broker and the
    /// next message has come back.
    #[default]
    Eighth,
    /// So many.
    Fixed(u16),
    /// So many for each place, as Celery's `worker_prefetch_multiplier`; 0 is without a bound.
    Times(u16),
}

/// A worker's pool with what follows its size. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Capacity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Arc<Pool>,
    consumers: Consumers,
    prefetch: Prefetch,
    /// Of a pool of threads, the threads: one for each place.
    threads: Option<Threads>,
    scaler: Option<Mutex<Autoscaler>>,
}

/// Why the size stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CapacityError {
    /// No place is free, or it is the last.
    #[error(transparent)]
    Shrink(#[from] ShrinkError),
    /// The pool follows its load.
    #[error("{0} is not supported with autoscale. Adjust autoscale range instead.")]
    Autoscaled(&'static str),
    /// The pool does not follow its load.
    #[error("Autoscale not enabled")]
    NotAutoscaled,
}

impl Prefetch {
    /// For so many places.
    pub fn of(self, places: usize) -> u16 {
        let ahead = match self {
            Self::Eighth => places + places / 8,
            Self::Fixed(ahead) => return ahead,
            Self::Times(times) => places * usize::from(times),
        };
        u16::try_from(ahead).unwrap_or(u16::MAX)
    }
}

impl Capacity {
    pub(crate) fn new(
        pool: Arc<Pool>,
        consumers: Consumers,
        prefetch: Prefetch,
        threads: Option<Threads>,
        autoscale: Option<Autoscale>,
    ) -> Self {
        let scaler = autoscale.map(|range| Mutex::new(Autoscaler::new(range)));
        Self(Arc::new(Inner { pool, consumers, prefetch, threads, scaler }))
    }

    /// Adds places to the pool, as the remote control's `pool_grow` does.
    pub(crate) fn grow(&self, count: usize) -> Result<(), CapacityError> {
        if self.0.scaler.is_some() {
            return Err(CapacityError::Autoscaled("pool_grow"));
        }
        self.add(count);
        self.follow(self.size());
        Ok(())
    }

    /// Takes free places away from the pool, as `pool_shrink` does.
    pub(crate) fn shrink(&self, count: usize) -> Result<(), CapacityError> {
        if self.0.scaler.is_some() {
            return Err(CapacityError::Autoscaled("pool_shrink"));
        }
        let shrunk = self.0.pool.shrink(count);
        self.follow(self.size());
        Ok(shrunk?)
    }

    /// Changes the range in which the pool follows its load, as `autoscale` does.
    pub(crate) fn autoscale(
        &self,
        max: Option<usize>,
        min: Option<usize>,
    ) -> Result<Autoscale, CapacityError> {
        let mut scaler = self.scaler().ok_or(CapacityError::NotAutoscaled)?;
        scaler.change(max, min);
        let (range, size) = (scaler.range, self.size());
        if range.max < size {
            shrink(&self.0.pool, size - range.max);
        }
        self.add(range.min.saturating_sub(size));
        self.follow(range.max);
        Ok(range)
    }

    /// The range in which the pool follows its load, if it does.
    pub(crate) fn range(&self) -> Option<Autoscale> {
        self.scaler().map(|scaler| scaler.range)
    }

    /// How many tasks can run at once.
    pub(crate) fn size(&self) -> usize {
        self.0.pool.size()
    }

    /// How many messages are in hand, running or waiting for a place.
    pub(crate) fn reserved(&self) -> usize {
        self.0.pool.running() + self.0.consumers.waiting()
    }

    /// How many messages the broker hands out ahead, a queue.
    pub(crate) fn prefetch(&self) -> u16 {
        self.0.prefetch.of(self.range().map_or(self.size(), |range| range.max))
    }

    /// Follows the load, if it is to, until the stop.
    pub(crate) async fn keep_scaling(self, stop: CancellationToken) {
        if self.0.scaler.is_none() {
            return;
        }
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => self.scale(),
            }
        }
    }

    fn scale(&self) {
        let Some(mut scaler) = self.scaler() else { return };
        match scaler.decide(self.reserved(), self.size(), LOOK) {
            Scale::Up(count) => {
                tracing::info!(count, "scaling up");
                self.add(count);
            }
            Scale::Down(count) => shrink(&self.0.pool, count),
            Scale::Stay => {}
        }
    }

    fn add(&self, count: usize) {
        self.0.pool.grow(count);
        if let Some(threads) = &self.0.threads {
            threads.at_least(self.size());
        }
    }

    fn follow(&self, places: usize) {
        self.0.consumers.set_prefetch(self.0.prefetch.of(places));
    }

    fn scaler(&self) -> Option<MutexGuard<'_, Autoscaler>> {
        self.0.scaler.as_ref().map(|scaler| scaler.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn shrink(pool: &Pool, count: usize) {
    tracing::info!(count, "scaling down");
    if let Err(error) = pool.shrink(count) {
        tracing::debug!(%error, "not scaled down as far as asked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_ahead_follows_the_places() {
        for (prefetch, places, ahead) in [
            (Prefetch::Eighth, 1, 1),
            (Prefetch::Eighth, 1000, 1125),
            (Prefetch::Fixed(5), 1000, 5),
            (Prefetch::Times(4), 8, 32),
            (Prefetch::Times(0), 8, 0),
            (Prefetch::Times(4), 100_000, u16::MAX),
        ] {
            assert_eq!(prefetch.of(places), ahead, "{prefetch:?} {places}");
        }
    }
}
