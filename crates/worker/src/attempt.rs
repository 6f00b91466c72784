//! One run of a task: read its arguments, acknowledge it early if it asks for that, run it under its limits, and hand
//! what came of it to [`conclude`](crate::conclude).

use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt as _;
use jiff::Timestamp;
use postrider_core::broker::message::Message;
use postrider_core::canvas::follow;
use postrider_core::celery::{Body, Embed, Exception, Request, TaskHeaders};
use postrider_core::results::{Extended, ResultTree};
use postrider_core::task::{Context, Job, Reason, Registered, RetryPolicy, TaskOptions};
use rand::RngExt as _;

use crate::dead::REPLAYS_HEADER;
use crate::disposition::{AfterRun, Ended, after_run};
use crate::execute::Executor;
use crate::guard::{Guard, Ran};
use crate::held::Held;
use crate::limits::TimeLimits;
use crate::observer::{Arrived, Entry};
use crate::patience::Tried;
use crate::postpone::number;

/// A message whose task is registered here, with what is known of it.
pub(crate) struct Attempt<'a, S> {
    /// The task.
    pub task: &'a Registered<S>,
    /// What the headers say.
    pub headers: &'a TaskHeaders,
    /// The message.
    pub held: Held,
    /// What tools see of it; nothing of one that is not going to run.
    pub entry: Option<Entry<'a>>,
    /// What follows it.
    pub embed: Embed,
    /// What the run enqueued, and what was published after it.
    pub children: Vec<ResultTree>,
    /// What a result tells of the call, where it tells more.
    pub extended: Option<Box<Extended>>,
    /// When the run began, by the monotonic clock and by the other.
    pub begun: Instant,
    /// See `begun`.
    pub at: Timestamp,
}

/// A run that may start.
pub(crate) struct Ready<'a, S> {
    /// The task.
    pub task: &'a Registered<S>,
    /// Its message.
    pub held: &'a mut Held,
    /// When it began.
    pub begun: &'a mut Instant,
    /// Whether its end of life has passed: then it is told so, and not run.
    pub expired: bool,
}

impl<S: Send + Sync + 'static> Executor<S> {
    /// Runs a task whose time has come; or tells it that its end of life has passed.
    pub(crate) async fn run(&self, held: Held, headers: &TaskHeaders, task: &Registered<S>, expired: bool) {
        let entry = (!expired).then(|| self.observer.received(&arrived(&held, headers, task)));
        let mut attempt = Attempt::new(task, headers, held, entry, self.clock.now());
        let job = match self.read(&mut attempt) {
            Ok(job) => job,
            // A payload of a later version, for example: too late is too late, whatever it says.
            Err(_) if expired => return self.done(attempt, Ended::Expired).await,
            Err(reason) => return self.fail(attempt, reason).boxed().await,
        };
        if attempt.held.redelivered {
            match self.earlier_success(&attempt).boxed().await {
                Tried::Done(Some(value)) => return self.succeed_again(attempt, value).boxed().await,
                Tried::GaveUp if self.shutdown.hard().is_cancelled() => {
                    return self.conclude(attempt, AfterRun::Requeue).await;
                }
                // A store that stays away keeps no task from running, here as at its end.
                Tried::Done(None) | Tried::Never(_) | Tried::GaveUp => {}
            }
        }
        let policy = self.policy(task.options());
        let ran = self.guarded(&mut attempt, job, policy, expired).await;
        metrics::histogram!("postrider_task_seconds", "task" => task.name()).record(attempt.begun.elapsed());
        match ran {
            Ran::Ended(result) => {
                let draw = || rand::rng().random_range(0..=1_000_000);
                let judged = (policy, task.options().autoretry);
                self.conclude(attempt, after_run(result, headers.retries, judged, draw)).await;
            }
            Ran::Terminated(signal) => self.terminated(attempt, signal).boxed().await,
            Ran::Revoked => self.revoked_at_start(attempt).boxed().await,
            Ran::Lost => {
                attempt.held.requeue().boxed().await;
            }
        }
    }

    /// Reads the arguments and what follows the task. A task's own decoding may panic, and the delivery must be settled
    /// all the same.
    fn read(&self, attempt: &mut Attempt<'_, S>) -> Result<Job<S>, Reason> {
        let undecodable = |detail: String| Reason::new("undecodable", detail);
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let Body { arguments, embed } =
                Body::read(&attempt.held.message).map_err(|error| undecodable(error.to_string()))?;
            if !embed.is_empty() {
                follow::check(&embed).map_err(|error| undecodable(error.to_string()))?;
                attempt.embed = embed;
            }
            if self.result_options.extended {
                attempt.extended = Some(Box::new(self.extended(attempt, &arguments)));
            }
            attempt.task.decode(arguments).map_err(|error| {
                let text = error.to_string();
                undecodable(text.clone()).with(Exception::builtin("TypeError", text))
            })
        }));
        read.unwrap_or_else(|_| {
            Err(undecodable("decoding the arguments panicked; the log says where".into()))
        })
    }

    fn policy(&self, options: &TaskOptions) -> RetryPolicy {
        if self.jitter && options.retry.backs_off() { options.retry.jitter(true) } else { options.retry }
    }

    /// Runs the job so that a panic is an error and the hard stop an end.
    async fn guarded(
        &self,
        attempt: &mut Attempt<'_, S>,
        job: Job<S>,
        policy: RetryPolicy,
        expired: bool,
    ) -> Ran {
        let Attempt { task, headers, held, entry, begun, extended, .. } = attempt;
        let message = mem::take(&mut held.message);
        let replays = u32::try_from(number(&message, REPLAYS_HEADER)).unwrap_or(0);
        let (id, queue, node) = (headers.id.clone(), Arc::clone(&held.queue), Arc::clone(&self.node));
        let mut context = Context::new(id, queue, message, node, attempt.at);
        (context.exchange, context.routing_key) = mem::take(&mut held.published_to);
        context.tell_of_the_call(extended.clone());
        context.redelivered = held.redelivered;
        context.retries = headers.retries;
        context.max_retries = policy.retries();
        context.expires = headers.expires;
        context.replays = replays;
        let guard = Guard { hard_stop: self.shutdown.hard(), entry: entry.as_ref() };
        let mut ready = Ready { task, held, begun, expired };
        let (ran, message, children) = match job {
            Job::Async(job) => {
                let ran = match self.starts(&guard, &context, &mut ready).await {
                    Ok(expired) => {
                        let services = &*self.services;
                        let run = if expired {
                            job.expire(services, &context)
                        } else {
                            job.run(services, &context)
                        };
                        guard.watch(&context, run, || self.time_limits(task, context.message())).await
                    }
                    Err(ran) => ran,
                };
                let (message, children) = context.into_parts();
                (ran, message, children)
            }
            Job::Blocking(job) => self.on_thread(&guard, job, context, ready).boxed().await,
        };
        attempt.held.message = message;
        attempt.children = children;
        ran
    }

    /// Looks a last time whether it may start, acknowledges a task early that wants it so, and tells those who want to
    /// know that it runs now. Whether its end of life has passed; or how it ended without a start.
    pub(crate) async fn starts(
        &self,
        guard: &Guard<'_>,
        context: &Context,
        Ready { held, task, expired, .. }: &mut Ready<'_, S>,
    ) -> Result<bool, Ran> {
        // Much may have happened while it waited for its turn or for a thread.
        let expired = *expired || context.expires.is_some_and(|expires| expires <= self.clock.now());
        if !expired && self.observer.revoked.holds(&context.id, context.message()) {
            return Err(Ran::Revoked);
        }
        let early = !task.options().acks_late;
        if early && !held.ack_early().await {
            return Err(Ran::Lost);
        }
        if let Some(entry) = guard.entry
            && !expired
        {
            if early {
                entry.acknowledged();
            }
            entry.started();
            if self.result_options.track_started {
                self.store_started(context, task).boxed().await;
            }
        }
        Ok(expired)
    }

    pub(crate) fn time_limits(&self, task: &Registered<S>, message: &Message) -> TimeLimits {
        let (hard, soft) = Request::of(message).time_limits();
        self.limits.of(task.name(), task.options(), TimeLimits { hard, soft })
    }
}

impl<'a, S> Attempt<'a, S> {
    /// A message before anything of its body is read. Boxed: it goes through many hands, each of which would keep room for
    /// it.
    pub(crate) fn new(
        task: &'a Registered<S>,
        headers: &'a TaskHeaders,
        held: Held,
        entry: Option<Entry<'a>>,
        at: Timestamp,
    ) -> Box<Self> {
        let begun = Instant::now();
        let (embed, children, extended) = (Embed::default(), Vec::new(), None);
        Box::new(Self { task, headers, held, entry, embed, children, extended, begun, at })
    }
}

/// A message as tools hear of it.
pub(crate) fn arrived<'a, S>(held: &'a Held, headers: &'a TaskHeaders, task: &Registered<S>) -> Arrived<'a> {
    Arrived {
        task: task.name(),
        sensitive: task.options().sensitive,
        headers,
        message: &held.message,
        queue: &held.queue,
        published_to: (&held.published_to.0, &held.published_to.1),
        redelivered: held.redelivered,
        announced: held.announced,
    }
}
