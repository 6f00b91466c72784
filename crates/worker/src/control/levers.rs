//! The rest of the worker, in the hands of remote control.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use postrider_core::broker::Broker;
use postrider_core::celery::TaskHeaders;
use postrider_core::clock::Clock;
use postrider_core::results::{Meta, Results};
use postrider_core::shutdown::Shutdown;
use postrider_core::task::TaskOptions;
use serde_json::{Map, Value};

use super::cards::{Bounds, BrokerCard, PoolCard, QueueCard, TaskCard};
use super::changes::{Change, Changes};
use super::controls::{Controls, NewConsumer, Refused};
use crate::capacity::{Capacity, CapacityError};
use crate::consumers::{AddQueue, WorkQueues};
use crate::limits::{Limits, TimeLimits};
use crate::options::PoolKind;
use crate::rate_limit::{Rate, RateLimits};
use crate::tracker::{Arrived, Tracked};

/// How long storing the states of one request may take: remote control waits for it.
const STORED_WITHIN: Duration = Duration::from_secs(2);
/// How many of them are stored at once.
const STORED_AT_ONCE: usize = 16;

/// The parts of a worker that remote control moves.
pub(crate) struct Levers {
    pub(crate) capacity: Capacity,
    pub(crate) queues: WorkQueues,
    /// Changes them.
    pub(crate) changes: Changes,
    pub(crate) rates: Arc<RateLimits>,
    pub(crate) limits: Arc<Limits>,
    /// The limits of tasks that have none of their own.
    pub(crate) of_worker: TimeLimits,
    /// The tasks that it can run, sorted by name.
    pub(crate) tasks: Vec<(&'static str, TaskOptions)>,
    /// What the pool is for.
    pub(crate) pool: PoolKind,
    /// What clients have set since, as they wrote it, by task.
    pub(crate) shown: Mutex<Vec<(String, &'static str, String)>>,
    pub(crate) broker: Broker,
    pub(crate) results: Results,
    /// The worker's settings by Celery's names, secrets starred.
    pub(crate) settings: Map<String, Value>,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
}

#[async_trait]
impl Controls for Levers {
    fn tasks(&self) -> Vec<TaskCard> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let card = |(name, options): &(&'static str, TaskOptions)| {
            let mut card = TaskCard::of(name, options);
            for (_, option, value) in shown.iter().filter(|(task, ..)| task == name) {
                card.set(option, value);
            }
            card
        };
        self.tasks.iter().map(card).collect()
    }

    fn queues(&self) -> Vec<QueueCard> {
        self.queues.active().iter().map(QueueCard::of).collect()
    }

    fn waiting(&self) -> Vec<Tracked> {
        self.queues.look(|delivery| {
            let headers = TaskHeaders::read(&delivery.message).ok()?;
            let (task, options) = self.tasks.iter().find(|(name, _)| *name == headers.task)?;
            Some(Tracked::new(&Arrived {
                task,
                sensitive: options.sensitive,
                headers: &headers,
                message: &delivery.message,
                queue: &delivery.queue,
                published_to: (&delivery.exchange, &delivery.routing_key),
                redelivered: delivery.redelivered,
                announced: false,
            }))
        })
    }

    fn pool(&self) -> PoolCard {
        let seconds = |limit: Option<Duration>| limit.map_or(0, |limit| limit.as_secs());
        let (places, wanted) = (self.capacity.size(), self.capacity.reserved());
        PoolCard {
            implementation: format!("postrider:{}", self.pool.name()),
            places,
            timeouts: [seconds(self.of_worker.soft), seconds(self.of_worker.hard)],
            autoscaler: self.capacity.range().map(|range| Bounds {
                max: range.max,
                min: range.min,
                current: places,
                wanted,
            }),
        }
    }

    fn prefetch(&self) -> u32 {
        self.capacity.prefetch().into()
    }

    fn broker(&self) -> Option<BrokerCard> {
        self.broker.address()
    }

    fn settings(&self) -> Map<String, Value> {
        self.settings.clone()
    }

    fn grow(&self, places: usize) -> Result<(), Refused> {
        self.resizable()?;
        self.capacity.grow(places).map_err(refused)
    }

    fn shrink(&self, places: usize) -> Result<(), Refused> {
        self.resizable()?;
        self.capacity.shrink(places).map_err(refused)
    }

    fn autoscale(&self, max: Option<usize>, min: Option<usize>) -> Result<(usize, usize), Refused> {
        self.resizable()?;
        self.capacity.autoscale(max, min).map(|range| (range.max, range.min)).map_err(refused)
    }

    fn limit_rate(&self, task: &str, rate: Option<Rate>, text: &str) {
        self.rates.set(task, rate);
        self.show(task, "rate_limit", rate.map_or("None", |_| text));
    }

    fn limit_time(&self, task: &str, soft: Option<Duration>, hard: Option<Duration>) {
        self.limits.set(task, TimeLimits { hard, soft });
        let text = |limit: Option<Duration>| {
            limit.map_or("None".into(), |limit| format!("{:?}", limit.as_secs_f64()))
        };
        self.show(task, "soft_time_limit", &text(soft));
        self.show(task, "time_limit", &text(hard));
    }

    fn add_consumer(&self, consumer: NewConsumer) {
        let NewConsumer { queue, exchange, exchange_type, routing_key, kind, max_priority } = consumer;
        let add = AddQueue { queue, exchange, exchange_type, routing_key, kind, max_priority };
        self.changes.ask(Change::Add(add));
    }

    fn cancel_consumer(&self, queue: &str) {
        self.changes.ask(Change::Cancel(queue.to_owned()));
    }

    fn shut_down(&self) {
        // For good, also while it drains to start anew.
        self.shutdown.forget_restart();
        self.shutdown.stop();
    }

    async fn store_revoked(&self, ids: &[String]) {
        if !self.results.is_on() {
            return;
        }
        let all = futures::stream::iter(ids).for_each_concurrent(STORED_AT_ONCE, |id| self.store_one(id));
        if tokio::time::timeout(STORED_WITHIN, all).await.is_err() {
            tracing::warn!(count = ids.len(), "not all of these tasks could be marked as revoked in time");
        }
    }
}

impl Levers {
    /// One after the other is what that pool is for.
    fn resizable(&self) -> Result<(), Refused> {
        if self.pool == PoolKind::Solo { Err(Refused::Solo) } else { Ok(()) }
    }

    async fn store_one(&self, id: &str) {
        let meta = Meta::revoked(id, "revoked", self.clock.now());
        if let Err(error) = self.results.store_if_unstarted(&meta).await {
            tracing::warn!(task.id = id, %error, "a task cannot be marked as revoked");
        }
    }

    fn show(&self, task: &str, option: &'static str, value: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|(known, name, _)| known != task || *name != option);
        shown.push((task.to_owned(), option, value.to_owned()));
    }
}

fn refused(error: CapacityError) -> Refused {
    match error {
        CapacityError::Shrink(_) => Refused::Busy,
        CapacityError::Autoscaled(_) => Refused::Autoscaled,
        CapacityError::NotAutoscaled => Refused::NotAutoscaled,
    }
}
