//! Enqueues calls of tasks and workflows of them: the envelopes around the payloads, and the way into their queues.

mod error;
mod progress;

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use serde::ser::Error as _;
use uuid::Uuid;

use crate::broker::{Broker, NotPublished, PublishError};
pub use crate::canvas::Parent;
use crate::canvas::{Address, Canvas, Dispatcher, Outgoing, Plan, Step, Workflow};
use crate::celery::{Arguments, Call};
use crate::clock::Clock;
use crate::results::{AsyncResult, ResultTree, Results};
use crate::routes::Routes;
use crate::task::{CallDefaults, KnownTasks, Signature, Task};
pub use error::EnqueueError;
pub use progress::Progress;

/// The header with the version of a payload. A worker that knows only an older one lets the message wait.
pub const VERSION_HEADER: &str = "postrider-version";
/// The version that is written.
pub const VERSION: i32 = 1;

/// Messages of one workflow that may wait for their confirm at once.
const AT_ONCE: usize = 64;

/// Enqueues tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Producer {
    broker: Broker,
    clock: Clock,
    origin: Arc<str>,
    results: Results,
    routes: Arc<Routes>,
    tasks: Arc<KnownTasks>,
}

/// What was enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// What the result is asked for by: a task, a chain's last step with those before it, a chord's body, or a group with
    /// its members.
    pub whole: ResultTree,
    /// What a result names as the children of the task that enqueued it: of a chain its first step.
    pub children: Vec<ResultTree>,
}

/// What can be enqueued: a task, a [`Signature`] of one, a [`Call`] of a task that only others know, or a workflow.
pub trait Enqueueable: Step {
    /// What is to be published for it.
    fn plan(self, dispatcher: &Dispatcher<'_>) -> Result<Plan, EnqueueError>;
}

impl Producer {
    /// Enqueues on `broker`; `name` is shown as the tasks' origin.
    pub fn new(broker: Broker, clock: Clock, name: &str) -> Self {
        Self {
            broker,
            clock,
            origin: format!("{name}@{}", std::process::id()).into(),
            results: Results::default(),
            routes: Arc::default(),
            tasks: Arc::default(),
        }
    }

    /// The same that asks this store for results. Chords need it.
    #[must_use]
    pub fn with_results(mut self, results: Results) -> Self {
        self.results = results;
        self
    }

    /// The same with queues for tasks by their names.
    #[must_use]
    pub fn with_routes(mut self, routes: Arc<Routes>) -> Self {
        self.routes = routes;
        self
    }

    /// The same that knows the types of these tasks, for calls that name them only.
    #[must_use]
    pub fn with_tasks(mut self, tasks: Arc<KnownTasks>) -> Self {
        self.tasks = tasks;
        self
    }

    /// Enqueues a call or a workflow and waits until the broker has it. Returns the id that its result is asked for by:
    /// of a task its own, of a chain its last step's, of a chord its body's, of a group the group's.
    pub async fn enqueue(&self, call: impl Enqueueable) -> Result<String, EnqueueError> {
        Ok(self.enqueue_plan(call.plan(&self.dispatcher(None))).await?.whole.id)
    }

    /// The same for a task that calls others: they have it for their parent and share its root.
    pub async fn enqueue_for(
        &self,
        parent: Parent<'_>,
        call: impl Enqueueable,
    ) -> Result<Enqueued, EnqueueError> {
        self.enqueue_plan(call.plan(&self.dispatcher(Some(parent)))).await
    }

    /// The same as [`Producer::enqueue`], to wait for the result: of a group for the results of its members.
    ///
    /// With `rpc://` it takes no longer than [`ResultOptions::patience`](crate::results::ResultOptions::patience) to be
    /// ready for answers, or nothing is enqueued.
    pub async fn call(&self, call: impl Enqueueable) -> Result<AsyncResult, EnqueueError> {
        // An answer that comes before anybody listens for it would be lost.
        self.results.listening().await.map_err(EnqueueError::Unheard)?;
        let Enqueued { whole, .. } = self.enqueue_plan(call.plan(&self.dispatcher(None))).await?;
        Ok(AsyncResult::of(whole, self.results.clone()))
    }

    /// What makes the messages, for who publishes them by hand.
    pub fn dispatcher<'a>(&'a self, parent: Option<Parent<'a>>) -> Dispatcher<'a> {
        Dispatcher {
            origin: &self.origin,
            now: self.clock.now(),
            parent,
            reply_to: self.results.reply_to(),
            routes: &self.routes,
            tasks: &self.tasks,
            ids: &|| Uuid::new_v4().to_string(),
        }
    }

    /// Does what a plan says: the result store hears of its chords, then its messages are published.
    pub async fn carry_out(&self, plan: &Plan) -> Result<(), EnqueueError> {
        self.go_on(plan, &Progress::default()).await
    }

    /// The same for a plan that may have failed half way: what was confirmed before is left out. What was not may be
    /// published twice, under the same ids.
    pub async fn go_on(&self, plan: &Plan, progress: &Progress) -> Result<(), EnqueueError> {
        for header in &plan.headers {
            self.results.save_group(header).await?;
        }
        for (group, size) in &plan.chords {
            self.results.set_chord_size(group, *size).await?;
        }
        // One message that is confirmed is a plan that is done.
        if let [only] = &plan.outgoing[..] {
            return Ok(self.publish(only).await?);
        }
        // A list, not the iterator: a caller could not see that the future of a borrowing stream may be sent.
        let publishing: Vec<_> = progress
            .left(plan)
            .map(|(outgoing, confirmed)| progress.unless_failed(self.publish(outgoing), confirmed).boxed())
            .collect();
        // None is dropped half way when another has failed: whether it is confirmed would not be known.
        let ended: Vec<_> = stream::iter(publishing).buffered(AT_ONCE).collect().await;
        Ok(ended.into_iter().collect::<Result<(), PublishError>>()?)
    }

    /// Publishes one message of a plan. A queue that is missing is made, as Celery's producers make it
    /// (`task_create_missing_queues`): nobody else may know its name yet.
    pub async fn publish(&self, outgoing: &Outgoing) -> Result<(), PublishError> {
        let ended = self.send(outgoing).await;
        match (&ended, &outgoing.address) {
            (Err(PublishError::NotPublished(NotPublished::Returned(_))), Address::Queue(queue))
                if self.broker.create(queue).await =>
            {
                self.send(outgoing).await
            }
            _ => ended,
        }
    }

    async fn send(&self, outgoing: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { address, delay, message, .. } = outgoing;
        match address {
            Address::Queue(queue) if *delay > Duration::ZERO => {
                self.broker.publish_after(queue, *delay, message).await
            }
            Address::Queue(queue) => self.broker.publish(queue, message).await,
            // Who takes it from there waits for its `eta`: the delay ladder leads to queues only.
            Address::Exchange { exchange, key } => self.broker.publish_to(exchange, key, message).await,
        }
    }

    async fn enqueue_plan(&self, plan: Result<Plan, EnqueueError>) -> Result<Enqueued, EnqueueError> {
        let mut plan = plan?;
        let whole = plan.results.pop().ok_or(EnqueueError::Empty)?;
        // Boxed: the futures of a store are deep, and callers nest this one in their own.
        self.carry_out(&plan).boxed().await?;
        Ok(Enqueued { whole, children: plan.children })
    }
}

impl<T: Task> Enqueueable for T {
    fn plan(self, dispatcher: &Dispatcher<'_>) -> Result<Plan, EnqueueError> {
        Signature::new(self).plan(dispatcher)
    }
}

impl<T: Task> Enqueueable for Signature<T> {
    fn plan(self, dispatcher: &Dispatcher<'_>) -> Result<Plan, EnqueueError> {
        if let Some(broken) = self.broken {
            return Err(serde_json::Error::custom(broken).into());
        }
        let arguments = Arguments::of(&self.payload)?;
        let known = CallDefaults::of::<T>();
        Ok(Plan::of(dispatcher.outgoing(T::NAME, &arguments, self.options, Some(&known))))
    }
}

impl Enqueueable for Call {
    fn plan(self, dispatcher: &Dispatcher<'_>) -> Result<Plan, EnqueueError> {
        Ok(dispatcher.plan(Canvas::try_from(self)?))
    }
}

impl Enqueueable for Canvas {
    fn plan(self, dispatcher: &Dispatcher<'_>) -> Result<Plan, EnqueueError> {
        Ok(dispatcher.plan(self))
    }
}

impl Enqueueable for Workflow {
    fn plan(self, dispatcher: &Dispatcher<'_>) -> Result<Plan, EnqueueError> {
        Ok(dispatcher.plan(self.into_canvas()?))
    }
}

#[cfg(test)]
mod tests;
