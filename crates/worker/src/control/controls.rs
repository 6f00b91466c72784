//! What remote commands ask of the rest of the worker and change in it.
//!
//! The rest of the worker implements this once; commands know nothing of pools and consumers, and a test gives them plain
//! data.

use std::time::Duration;

use async_trait::async_trait;
use postrider_core::broker::topology::{ExchangeKind, QueueType};
use serde_json::{Map, Value};

use super::cards::{BrokerCard, PoolCard, QueueCard, TaskCard};
use crate::rate_limit::Rate;
use crate::tracker::Tracked;

/// The rest of the worker, as remote commands see it.
#[async_trait]
pub(crate) trait Controls: Send + Sync + 'static {
    /// The tasks that it can run, sorted by name, with their options as they are now.
    fn tasks(&self) -> Vec<TaskCard>;
    /// The queues that it consumes.
    fn queues(&self) -> Vec<QueueCard>;
    /// The tasks that wait in this process for their place in the pool.
    fn waiting(&self) -> Vec<Tracked>;
    /// Its pool.
    fn pool(&self) -> PoolCard;
    /// How many messages the broker hands out ahead, over all queues.
    fn prefetch(&self) -> u32;
    /// The broker that it is connected to; `None` in memory.
    fn broker(&self) -> Option<BrokerCard>;
    /// Its settings by Celery's names, secrets starred.
    fn settings(&self) -> Map<String, Value>;

    /// Gives the pool more places.
    fn grow(&self, places: usize) -> Result<(), Refused>;
    /// Takes places from the pool.
    fn shrink(&self, places: usize) -> Result<(), Refused>;
    /// Moves the bounds between which the pool grows and shrinks by itself; tells the bounds as they are then.
    fn autoscale(&self, max: Option<usize>, min: Option<usize>) -> Result<(usize, usize), Refused>;
    /// How often a task may start; `text` is how the client wrote it. The task is known.
    fn limit_rate(&self, task: &str, rate: Option<Rate>, text: &str);
    /// How long a task may run. The task is known.
    fn limit_time(&self, task: &str, soft: Option<Duration>, hard: Option<Duration>);
    /// Consumes one more queue, from now on. Consuming it already changes nothing.
    fn add_consumer(&self, consumer: NewConsumer);
    /// Stops consuming a queue.
    fn cancel_consumer(&self, queue: &str);
    /// Stops the worker as SIGTERM does.
    fn shut_down(&self);
    /// Stores REVOKED as the state of those tasks that nobody has started.
    async fn store_revoked(&self, ids: &[String]);
}

/// A queue that a client wants consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewConsumer {
    /// Its name.
    pub queue: String,
    /// The exchange that it is bound to; one of its own name if nothing is said.
    pub exchange: Option<String>,
    /// The type of that exchange, where there is to be one.
    pub exchange_type: Option<ExchangeKind>,
    /// The key that it is bound by; its name if nothing is said.
    pub routing_key: Option<String>,
    /// How it keeps messages, where it has to be created.
    pub kind: QueueType,
    /// The highest priority that it tells apart, where it has to be created.
    pub max_priority: Option<u8>,
}

/// Why a command cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The pool grows and shrinks by itself.
    Autoscaled,
    /// The pool does not grow and shrink by itself.
    NotAutoscaled,
    /// There are too few places that are free.
    Busy,
    /// The pool has one place.
    Solo,
}
