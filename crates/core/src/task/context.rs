//! What a running task knows of its call, and what it can do besides returning: enqueue, look at its limits.

mod blocking;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Node, SoftLimit, TaskError};
use crate::broker::message::Message;
use crate::canvas::Step;
use crate::celery::{Body, Request};
use crate::producer::{EnqueueError, Enqueueable, Enqueued, Parent};
use crate::results::{Extended, Meta, ResultTree};

/// The call that is being run.
pub struct Context {
    /// The task id, the same through every retry.
    pub id: String,
    /// The queue that it came from.
    pub queue: Arc<str>,
    /// The exchange that it was published to; empty for the default one.
    pub exchange: String,
    /// The routing key that it was published with.
    pub routing_key: String,
    /// Whether the broker handed it out before. A hint only.
    pub redelivered: bool,
    /// How many times it was retried before.
    pub retries: u32,
    /// How many retries the task's policy allows; `u32::MAX` is for ever.
    pub max_retries: u32,
    /// The end of life that the caller set, if any.
    pub expires: Option<Timestamp>,
    /// How many times the message came back from the dead-letter queue by an operator's hand.
    pub replays: u32,
    /// When this run began.
    pub now: Timestamp,
    message: Message,
    node: Arc<Node>,
    soft_limit: SoftLimit,
    children: Mutex<Vec<ResultTree>>,
    extended: Option<Box<Extended>>,
    /// Whether the worker has given the run up, while its thread goes on.
    over: CancellationToken,
}

impl Context {
    /// The first run of a message, as a worker starts it.
    pub fn new(id: String, queue: Arc<str>, message: Message, node: Arc<Node>, now: Timestamp) -> Self {
        Self {
            id,
            queue,
            exchange: String::new(),
            routing_key: String::new(),
            redelivered: false,
            retries: 0,
            max_retries: 0,
            expires: None,
            replays: 0,
            now,
            message,
            node,
            soft_limit: SoftLimit::default(),
            children: Mutex::default(),
            extended: None,
            over: CancellationToken::new(),
        }
    }

    /// Whether an error that may pass would be the last one.
    pub fn is_last_try(&self) -> bool {
        self.retries >= self.max_retries
    }

    /// The name of the worker that runs it: Celery's `request.hostname`.
    pub fn hostname(&self) -> &str {
        &self.node.name
    }

    /// What its headers say: the ids of its workflow, its group, its origin, its time limits and the rest.
    pub fn request(&self) -> Request<'_> {
        Request::of(&self.message)
    }

    /// The whole message, with its properties and the headers that the caller added.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The text of a header that the caller added.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.message.header(name)
    }

    /// Enqueues a task, a call, a chain, a group or a chord as this task's child: it has this task for its parent and
    /// shares its root. Returns the id of the new task; of a chain the last one's, of a group the group's.
    pub async fn enqueue(&self, call: impl Enqueueable) -> Result<String, EnqueueError> {
        Ok(self.enqueue_whole(call).await?.id)
    }

    /// The same, and returns all that was called with it, to be the task's own result: a Python client that knows to
    /// expect it makes an `AsyncResult` of it with `result_from_tuple`.
    pub async fn enqueue_whole(&self, call: impl Enqueueable) -> Result<ResultTree, EnqueueError> {
        if self.is_over() {
            return Err(EnqueueError::Over);
        }
        self.enqueue_in_any_case(call).await
    }

    async fn enqueue_in_any_case(&self, call: impl Enqueueable) -> Result<ResultTree, EnqueueError> {
        let request = self.request();
        let parent = Parent { id: &self.id, root: request.root_id() };
        let Enqueued { whole, children } = self.node.producer.enqueue_for(parent, call).await?;
        self.children.lock().unwrap_or_else(PoisonError::into_inner).extend(children);
        Ok(whole)
    }

    /// Adds a member to the chord that this task is a member of: its body waits for the new one too, and gets its result.
    /// Celery's `self.add_to_chord(sig)`. `None` where this task is in no chord.
    pub async fn add_to_chord(&self, member: impl Step) -> Result<Option<String>, EnqueueError> {
        if self.is_over() {
            return Err(EnqueueError::Over);
        }
        let request = self.request();
        let chord = Body::read(&self.message).ok().and_then(|body| body.embed.chord);
        let (Some(group), Some(chord)) = (request.group(), chord) else { return Ok(None) };
        let mut canvas = member.into_workflow().into_canvas()?;
        let options = canvas.options_mut();
        options.insert("group_id".into(), group.into());
        options.insert("group_index".into(), request.group_index().into());
        options.insert("chord".into(), Value::from(*chord));
        self.node.results.add_to_chord(group).await?;
        // The chord waits for it from here on.
        Ok(Some(self.enqueue_in_any_case(canvas).await?.id))
    }

    /// Stores a state of the task's own, `PROGRESS` for one, that whoever waits for its result can see meanwhile.
    /// Celery's `self.update_state(state=…, meta=…)`.
    ///
    /// A store that does not answer is tried again for [`ResultOptions::patience`](crate::results::ResultOptions::patience).
    pub async fn update_state(&self, state: &str, meta: impl Serialize) -> Result<(), TaskError> {
        let result = serde_json::to_value(meta)?;
        let meta = self.told(Meta::custom(self.id.as_str(), state, result));
        let stored = self.node.results.store(&meta, &self.message.properties);
        match self.over.run_until_cancelled(stored).await {
            Some(stored) => Ok(stored?),
            None => Err(TaskError::fail("over", "the run is over: nobody waits for what it tells")),
        }
    }

    /// Ends this run so that a task, a call, a chain, a group or a chord takes the task's place: it has the id of this
    /// task, so that whoever waits for its result waits for the other one's, and it inherits links, chain, group and
    /// chord. Celery's `self.replace(sig)`.
    ///
    /// ```
    /// # use postrider_core::{canvas::chain, celery::Call, task::{Context, TaskError}};
    /// # fn run(context: &Context) -> Result<(), TaskError> {
    /// return Err(context.replace(chain([Call::new("add").arg(1).arg(2), Call::new("add").arg(3)])));
    /// # }
    /// ```
    pub fn replace(&self, with: impl Step) -> TaskError {
        match with.into_workflow().into_call() {
            Ok(call) => TaskError::Replace(Box::new(call)),
            Err(error) => TaskError::fail("unserializable_call", error.to_string()),
        }
    }

    /// Waits until the soft time limit has passed; for ever where there is none. A task that has asked, here or with
    /// [`Context::soft_limit_has_passed`], goes on until its hard limit, so that it can put things in order; one that
    /// never asked is ended at the soft limit.
    pub async fn soft_limit(&self) {
        self.soft_limit.wait().await;
    }

    /// Whether the soft time limit has passed. To ask is to take the end of the task into one's own hands: see
    /// [`Context::soft_limit`].
    pub fn soft_limit_has_passed(&self) -> bool {
        self.soft_limit.has_passed()
    }

    /// For the worker: the soft limit passes now. Whether the task goes on.
    pub fn pass_soft_limit(&self) -> bool {
        self.soft_limit.pass()
    }

    /// Whether the worker has ended this run, by a time limit, at a stop or because somebody wanted it terminated, while
    /// its thread goes on: a thread cannot be stopped. It enqueues nothing more, and tells of no state.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// For the worker: the run is over, although its thread goes on.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// For the worker: what results tell of the call, where they tell more.
    pub fn tell_of_the_call(&mut self, extended: Option<Box<Extended>>) {
        self.extended = extended;
    }

    /// For the worker: a state of this run, with what its message says of it and what it has enqueued so far.
    pub fn told(&self, meta: Meta) -> Meta {
        let extended = self.extended.as_deref().cloned();
        meta.within(&self.message).with_children(self.children()).with_extended(extended)
    }

    /// For the worker: what was enqueued so far.
    pub fn children(&self) -> Vec<ResultTree> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the worker: the message, and what was enqueued in the run.
    pub fn into_parts(self) -> (Message, Vec<ResultTree>) {
        (self.message, self.children.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Context {
    /// Without the message, which may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.id)
            .field("queue", &self.queue)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}
