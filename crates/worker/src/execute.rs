//! One message from its arrival on: what it is, and what is done with it before anything runs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use postrider_core::broker::Delivery;
use postrider_core::broker::message::{Message, Value};
use postrider_core::celery::{TaskHeaders, format_instant, modern};
use postrider_core::clock::Clock;
use postrider_core::producer::{VERSION, VERSION_HEADER};
use postrider_core::results::{ResultOptions, Results};
use postrider_core::shutdown::Shutdown;
use postrider_core::task::{Node, Reason, Registered, Registry};

use crate::attempt::arrived;
use crate::blocking::Threads;
use crate::dead::Burial;
use crate::disposition::{Arrival, OnArrival, on_arrival};
use crate::held::{ANNOUNCED_HEADER, Held};
use crate::limits::Limits;
use crate::observer::Observer;
use crate::postpone::{later, number, postponed, waiting};
use crate::rate_limit::{Admission, RateLimits};
use crate::runs::{Begun, Runs};
use crate::settle::{Settler, unpublishable};
use crate::sources::Sources;

/// When a newer payload was first put off, ISO 8601.
const WAITING_HEADER: &str = "postrider-waiting-since";

/// What every execution needs.
pub(crate) struct Executor<S> {
    pub registry: Registry<S>,
    pub services: Arc<S>,
    pub settler: Settler,
    pub clock: Clock,
    pub shutdown: Shutdown,
    /// Whether every task's waits are jittered, whatever its policy says.
    pub jitter: bool,
    /// What the worker consumes from.
    pub sources: Sources,
    /// The worker, as its tasks see it.
    pub node: Arc<Node>,
    /// How long a run may take.
    pub limits: Arc<Limits>,
    /// Where blocking tasks run.
    pub threads: Threads,
    /// Where results go.
    pub results: Results,
    /// What results tell, and of which states.
    pub result_options: ResultOptions,
    /// What watches the tasks.
    pub observer: Observer,
    /// The messages that are worked on.
    pub runs: Runs,
    /// How often tasks may begin.
    pub rates: Arc<RateLimits>,
    /// Whether the messages of failed tasks are kept.
    pub dead_letters: bool,
}

impl<S: Send + Sync + 'static> Executor<S> {
    /// Sees a delivery through to its end. A panic is its end, too, wherever it comes from: a message that is the reason
    /// would else stop every worker that takes it.
    pub(crate) async fn execute(&self, delivery: Delivery) {
        let held = Held::from(delivery);
        if AssertUnwindSafe(self.see_through(held)).catch_unwind().await.is_err()
            && let Some(held) = Held::wrecked()
        {
            self.salvage(held).boxed().await;
        }
    }

    async fn see_through(&self, mut held: Held) {
        if let Some(queue) = self.sources.returned_from(&held.queue) {
            return self.take_back(held, &queue).boxed().await;
        }
        let owned = self.sources.owned(&held.queue);
        if let Some(modern) = modern(&held.message) {
            self.modernize(&mut held, modern, owned);
        }
        let now = self.clock.now();
        let headers = TaskHeaders::read(&held.message);
        let registered = headers.as_ref().ok().and_then(|headers| self.registry.get(&headers.task));
        let known = headers.as_ref().ok().zip(registered);
        if let Some((headers, task)) = known {
            held = match self.runs.begin(headers, held) {
                Begun::Now(held) => held,
                Begun::Before => return told_again(task.name(), &headers.id, "it runs here already"),
                Begun::Ended(held) => {
                    told_again(task.name(), &headers.id, "it has ended here");
                    return held.ack().boxed().await;
                }
            };
        }
        let decided = on_arrival(&Arrival {
            headers: &headers,
            registered: registered.is_some(),
            owned,
            newer: number(&held.message, VERSION_HEADER) > i64::from(VERSION),
            revoked: known
                .is_some_and(|(headers, task)| self.observer.revokes(&arrived(&held, headers, task))),
            waiting_since: held.message.header(WAITING_HEADER).and_then(|text| text.parse().ok()),
            now,
        });
        match (decided, known) {
            (OnArrival::Run(wait), Some((headers, task))) => {
                let wait = match self.rates.admit(task.name(), &mut held.message, now) {
                    Admission::Run(turn) => wait.max(turn),
                    Admission::Park { delay, slot } => {
                        return self.park(held, headers, task, now, delay, slot).boxed().await;
                    }
                };
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                self.run(held, headers, task, false).await;
            }
            (OnArrival::Expire, Some((headers, task))) => self.run(held, headers, task, true).boxed().await,
            (OnArrival::Revoke, Some((headers, task))) => self.revoked(held, headers, task).boxed().await,
            (OnArrival::Postpone(delay), Some((headers, task))) => {
                self.park(held, headers, task, now, delay, None).boxed().await;
            }
            (decided, _) => self.put_aside(held, decided, headers.ok(), now).boxed().await,
        }
    }

    /// What a panic of the worker's own left behind is kept as a dead letter; without its message, which the task had, it
    /// goes back.
    async fn salvage(&self, held: Held) {
        if held.message == Message::default() {
            return self.settler.give_back(held).await;
        }
        let headers = TaskHeaders::read(&held.message).ok();
        let reason = Reason::new("panic", "the worker panicked over it; the log says where");
        if let Some(headers) = &headers {
            self.tell_undone(&held, headers, &reason).await;
        }
        let from = Arc::clone(&held.queue);
        let burial = Burial { headers: headers.as_ref(), queue: &from, at: self.clock.now() };
        self.settler.bury(held, &burial, &reason).await;
    }

    /// What has to wait for its time or its turn goes down the delay ladder. `now` is the instant that `delay` was
    /// reckoned from, so that an `eta` stays as it was.
    async fn park(
        &self,
        held: Held,
        headers: &TaskHeaders,
        task: &Registered<S>,
        now: Timestamp,
        delay: Duration,
        slot: Option<Timestamp>,
    ) {
        let mut next = waiting(&held.message, now, delay);
        Admission::write(slot, &mut next);
        if self.observer.postponed(&arrived(&held, headers, task), later(now, delay)) {
            next.headers.insert(ANNOUNCED_HEADER.into(), Value::Bool(true));
        }
        if let Err(refused) = self.settler.later(held, delay, next).await {
            self.given_up(refused.held, headers, task, unpublishable(&refused.error)).await;
        }
    }

    /// What is not run, at least not now.
    async fn put_aside(&self, held: Held, decided: OnArrival, headers: Option<TaskHeaders>, now: Timestamp) {
        let from = Arc::clone(&held.queue);
        match decided {
            // A task that only a later release knows, and that is too late for all of them.
            OnArrival::Expire => {
                tracing::warn!(queue.name = %from, "a newer task was not run: its end of life has passed");
                held.ack().await;
            }
            OnArrival::AwaitUpgrade(delay) => {
                let task = held.message.header("task").unwrap_or_default();
                tracing::warn!(task.name = %task, "a payload newer than this worker waits");
                let mut next = postponed(&held.message, now, delay);
                next.headers.entry(WAITING_HEADER.into()).or_insert_with(|| format_instant(now).into());
                if let Err(refused) = self.settler.later(held, delay, next).await {
                    self.settler.keep(*refused).await;
                }
            }
            OnArrival::Bury(reason) => {
                if let Some(headers) = &headers {
                    self.tell_undone(&held, headers, &reason).await;
                }
                let burial = Burial { headers: headers.as_ref(), queue: &from, at: now };
                self.settler.bury(held, &burial, &reason).await;
            }
            OnArrival::LeaveToOwner => self.settler.leave_to_owner(held).await,
            OnArrival::Run(_) | OnArrival::Revoke | OnArrival::Postpone(_) => {
                unreachable!("these are decided for registered tasks with readable headers only")
            }
        }
    }

    /// What the broker gave up: a task that ran out in its queue ends as any expired one, the rest is buried.
    async fn take_back(&self, held: Held, queue: &str) {
        let headers = TaskHeaders::read(&held.message).ok();
        let task = headers.as_ref().and_then(|headers| self.registry.get(&headers.task));
        let why = death_in(&held.message, queue).unwrap_or("unknown").to_owned();
        if let (Some(headers), Some(task), "expired") = (&headers, task, why.as_str()) {
            return self.run(held, headers, task, true).await;
        }
        let reason =
            Reason::new(format!("broker:{why}"), "the broker gave it up, for example after 200 deliveries");
        if let (Some(headers), Some(task)) = (&headers, task) {
            return self.given_up(held, headers, task, reason).await;
        }
        let burial = Burial { headers: headers.as_ref(), queue, at: self.clock.now() };
        if let Some(headers) = &headers {
            self.tell_undone(&held, headers, &reason).await;
        }
        self.settler.bury(held, &burial, &reason).await;
    }

    /// A message of protocol 1 goes on as one of protocol 2, unless it is for its owner, who gets it as it came.
    fn modernize(&self, held: &mut Held, modern: Message, owned: bool) {
        let ours = modern.header("task").is_some_and(|task| self.registry.get(task).is_some());
        if owned || ours {
            held.message = modern;
        }
    }
}

/// The broker handed out a message again that is not run again.
fn told_again(task: &'static str, id: &str, why: &'static str) {
    tracing::info!(task.name = task, task.id = id, "task is not run again: {why}");
    metrics::counter!("postrider_tasks_total", "task" => task, "outcome" => "repeated").increment(1);
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
