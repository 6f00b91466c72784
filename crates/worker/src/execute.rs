//! One message from its arrival to its settling: read, decide, run, decide, settle.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use jiff::Timestamp;
use postrider_core::broker::Delivery;
use postrider_core::broker::message::{Message, Value};
use postrider_core::celery::{Arguments, TaskHeaders, format_instant};
use postrider_core::clock::Clock;
use postrider_core::producer::{VERSION, VERSION_HEADER};
use postrider_core::shutdown::Shutdown;
use postrider_core::task::{Context, Job, Reason, Registered, Registry, TaskError};
use rand::RngExt as _;

use crate::dead::{Burial, REPLAYS_HEADER};
use crate::disposition::{AfterRun, Arrival, Ended, OnArrival, after_run, on_arrival};
use crate::settle::Settler;
use crate::sources::Sources;

/// When a newer payload was first put off, ISO 8601.
const WAITING_HEADER: &str = "postrider-waiting-since";

/// What every execution needs.
pub(crate) struct Executor<S> {
    pub registry: Arc<Registry<S>>,
    pub services: Arc<S>,
    pub settler: Settler,
    pub clock: Clock,
    pub shutdown: Shutdown,
    /// Whether every task's waits are jittered, whatever its policy says.
    pub jitter: bool,
    /// What the worker consumes from.
    pub sources: Sources,
}

impl<S: Send + Sync + 'static> Executor<S> {
    /// Sees a delivery through to its end.
    pub(crate) async fn execute(&self, delivery: Delivery) {
        if let Some(queue) = self.sources.returned_from(&delivery.queue) {
            return Box::pin(self.take_back(delivery, queue)).await;
        }
        let now = self.clock.now();
        let headers = TaskHeaders::read(&delivery.message);
        let registered = headers.as_ref().ok().and_then(|headers| self.registry.get(&headers.task));
        let arrival = Arrival {
            headers: &headers,
            registered: registered.is_some(),
            owned: self.sources.owned(&delivery.queue),
            newer: number(&delivery.message, VERSION_HEADER) > i64::from(VERSION),
            waiting_since: delivery.message.header(WAITING_HEADER).and_then(|text| text.parse().ok()),
            now,
        };
        let decided = on_arrival(&arrival);
        let headers = headers.ok();
        let from = Arc::clone(&delivery.queue);
        let burial = Burial { headers: headers.as_ref(), queue: &from, at: now };
        match (decided, headers.as_ref().zip(registered)) {
            (OnArrival::Run(wait), Some((headers, task))) => {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                self.run(delivery, headers, task, false).await;
            }
            (OnArrival::Expire, Some((headers, task))) => self.run(delivery, headers, task, true).await,
            (OnArrival::Postpone(delay), Some(_)) => {
                let next = postponed(&delivery.message, now, delay);
                self.settler.later(delivery, delay, next).await;
            }
            // A task that only a later release knows, and that is too late for all of them.
            (OnArrival::Expire, None) => {
                tracing::warn!(queue.name = %from, "a newer task was not run: its end of life has passed");
                delivery.ack().await;
            }
            (OnArrival::AwaitUpgrade(delay), _) => {
                let task = delivery.message.header("task").unwrap_or_default();
                tracing::warn!(task.name = %task, "a payload newer than this worker waits");
                let mut next = postponed(&delivery.message, now, delay);
                next.headers.entry(WAITING_HEADER.into()).or_insert_with(|| format_instant(now).into());
                self.settler.later(delivery, delay, next).await;
            }
            (OnArrival::Bury(reason), _) => self.settler.bury(delivery, &burial, &reason).await,
            (OnArrival::LeaveToOwner, _) => self.settler.leave_to_owner(delivery).await,
            (OnArrival::Run(_) | OnArrival::Postpone(_), None) => {
                unreachable!("these are decided for registered tasks with readable headers only")
            }
        }
    }

    /// What the broker gave up: a task that ran out in its queue ends as any expired one, the rest is buried.
    async fn take_back(&self, delivery: Delivery, queue: &str) {
        let headers = TaskHeaders::read(&delivery.message).ok();
        let task = headers.as_ref().and_then(|headers| self.registry.get(&headers.task));
        let why = death_in(&delivery.message, queue).unwrap_or("unknown").to_owned();
        if let (Some(headers), Some(task), "expired") = (&headers, task, why.as_str()) {
            return self.run(delivery, headers, task, true).await;
        }
        let burial = Burial { headers: headers.as_ref(), queue, at: self.clock.now() };
        let reason =
            Reason::new(format!("broker:{why}"), "the broker gave it up, for example after 200 deliveries");
        self.settler.bury(delivery, &burial, &reason).await;
    }

    async fn run(&self, delivery: Delivery, headers: &TaskHeaders, task: &Registered<S>, expired: bool) {
        let begun = Instant::now();
        let policy = if self.jitter { task.retry().jitter(true) } else { task.retry() };
        let from = Arc::clone(&delivery.queue);
        let burial = Burial { headers: Some(headers), queue: &from, at: self.clock.now() };
        // A task's own decoding may panic, and the delivery must be settled all the same.
        let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let arguments = Arguments::read(&delivery.message).map_err(|error| error.to_string())?;
            task.decode(arguments).map_err(|error| error.to_string())
        }));
        let job = match decoded
            .unwrap_or_else(|_| Err("decoding the arguments panicked; the log says where".into()))
        {
            Ok(job) => job,
            // A payload of a later version, for example: too late is too late, whatever it says.
            Err(_) if expired => {
                count(task, Ended::Expired.log((task.name(), &headers.id), begun));
                delivery.ack().await;
                return;
            }
            Err(detail) => {
                count(task, "dead");
                return self.settler.bury(delivery, &burial, &Reason::new("undecodable", detail)).await;
            }
        };
        let context = Context {
            id: headers.id.clone(),
            queue: Arc::clone(&delivery.queue),
            retries: headers.retries,
            max_retries: policy.retries(),
            expires: headers.expires,
            replays: u32::try_from(number(&delivery.message, REPLAYS_HEADER)).unwrap_or(0),
            now: burial.at,
        };
        let result = self.guarded(job, context, expired).await;
        metrics::histogram!("postrider_task_seconds", "task" => task.name()).record(begun.elapsed());

        let shown = (task.name(), headers.id.as_str());
        let drawn = rand::rng().random_range(0..=1_000_000);
        match after_run(result, headers.retries, policy, drawn) {
            AfterRun::Done(ended) => {
                let outcome = ended.log(shown, begun);
                count(task, outcome);
                delivery.ack().await;
            }
            AfterRun::Retry { delay, retries, reason } => {
                tracing::warn!(task.name = shown.0, task.id = shown.1, retries, ?delay, %reason, "task will be retried");
                count(task, "retried");
                let eta = later(self.clock.now(), delay);
                let next = TaskHeaders::retried(&delivery.message, &headers.id, retries, eta);
                self.settler.later(delivery, delay, next).await;
            }
            AfterRun::Postpone(delay) => {
                tracing::debug!(task.name = shown.0, task.id = shown.1, ?delay, "task snoozes");
                count(task, "snoozed");
                let next = postponed(&delivery.message, self.clock.now(), delay);
                self.settler.later(delivery, delay, next).await;
            }
            AfterRun::Bury(reason) => {
                count(task, "dead");
                self.settler.bury(delivery, &burial, &reason).await;
            }
            AfterRun::Requeue => {
                tracing::info!(
                    task.name = shown.0,
                    task.id = shown.1,
                    "task goes back to its queue: stopping at once"
                );
                count(task, "requeued");
                delivery.requeue().await;
            }
        }
    }

    /// Runs the job so that a panic is an error and the hard stop an end.
    async fn guarded(&self, job: Job<S>, context: Context, expired: bool) -> Result<(), TaskError> {
        let services = Arc::clone(&self.services);
        let running = if expired { job.expire(services, context) } else { job.run(services, context) };
        let caught = AssertUnwindSafe(running).catch_unwind();
        tokio::select! {
            // The task first: one that ends at once need not be woken by the stop.
            biased;
            ended = caught => match ended {
                Ok(result) => result.map(|_value| ()),
                // The panic's text may hold anything; the hook has logged where it happened.
                Err(_) => Err(TaskError::fail("panic", "the task panicked; the log says where")),
            },
            () = self.shutdown.hard().cancelled() => Err(TaskError::Interrupted),
        }
    }
}

impl Ended {
    /// Logs the end at its level and names it for the metrics.
    fn log(&self, (name, id): (&str, &str), begun: Instant) -> &'static str {
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::Succeeded => {
                tracing::debug!(task.name = name, task.id = id, duration_ms, "task succeeded");
                "succeeded"
            }
            Self::Expired => {
                tracing::warn!(
                    task.name = name,
                    task.id = id,
                    "task was not run: its end of life has passed"
                );
                "expired"
            }
            Self::Unknown(reason) => {
                tracing::error!(task.name = name, task.id = id, %reason, "task may or may not have had its effect");
                "unknown"
            }
        }
    }
}

fn count<S>(task: &Registered<S>, outcome: &'static str) {
    metrics::counter!("postrider_tasks_total", "task" => task.name(), "outcome" => outcome).increment(1);
}

/// Why the broker took the message out of that queue. A message that came down the delay ladder has died there too.
fn death_in<'a>(message: &'a Message, queue: &str) -> Option<&'a str> {
    let Some(Value::Array(deaths)) = message.headers.get("x-death") else { return None };
    deaths.iter().find_map(|death| {
        let Value::Table(death) = death else { return None };
        let of_queue = death.get("queue").and_then(Value::as_str) == Some(queue);
        of_queue.then(|| death.get("reason").and_then(Value::as_str)).flatten()
    })
}

fn number(message: &Message, header: &str) -> i64 {
    message.headers.get(header).and_then(Value::as_i64).unwrap_or(0)
}

fn postponed(message: &Message, now: Timestamp, delay: std::time::Duration) -> Message {
    TaskHeaders::postponed(message, later(now, delay))
}

fn later(now: Timestamp, delay: std::time::Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}
