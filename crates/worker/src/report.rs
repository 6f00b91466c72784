//! What is told of a task to those who wait for its result: the states that are stored, and as what an error is shown.

use futures::FutureExt as _;
use postrider_core::broker::message::{Message, Properties};
use postrider_core::celery::{Arguments, Exception, Request};
use postrider_core::results::{Extended, Meta, ResultError, State};
use postrider_core::task::{Context, Reason, Registered};
use serde_json::{Map, Value, json};

use crate::attempt::Attempt;
use crate::execute::Executor;
use crate::patience::{HOLD, Tried, hold};

impl<S: Send + Sync + 'static> Executor<S> {
    /// Whether the result of a task is stored: not without a backend, nor where its caller, or else the task,
    /// wants none.
    pub(crate) fn keeps_result(&self, attempt: &Attempt<'_, S>) -> bool {
        self.wants_result(attempt.task, &attempt.held.message)
    }

    /// The value of a task whose message came back although it has succeeded: its ack was lost with a connection, or its
    /// worker ended before it.
    pub(crate) async fn earlier_success(
        &self,
        attempt: &Attempt<'_, S>,
    ) -> Tried<Option<Value>, ResultError> {
        if !self.keeps_result(attempt) {
            return Tried::Done(None);
        }
        let is_final = |error: &ResultError| !matches!(error, ResultError::Store(_));
        let get = || self.results.get(&attempt.headers.id).boxed();
        match hold(&self.shutdown, Some(HOLD), "it is known whether it has succeeded", is_final, get).await {
            Tried::Done(known) => {
                Tried::Done(known.filter(|meta| meta.state == State::Success).map(|meta| meta.result))
            }
            Tried::Never(error) => Tried::Never(error),
            Tried::GaveUp => Tried::GaveUp,
        }
    }

    /// Stores that a task runs.
    pub(crate) async fn store_started(&self, context: &Context, task: &Registered<S>) {
        if self.wants_result(task, context.message()) {
            let meta = Meta::started(context.id.as_str(), std::process::id(), &self.node.name);
            self.keep(context.told(meta), &context.message().properties).await;
        }
    }

    /// Stores a state of a task, if its result is wanted. One that cannot be stored is logged, and the task goes on.
    pub(crate) async fn store(&self, attempt: &Attempt<'_, S>, meta: Meta) {
        if !self.keeps_result(attempt) {
            return;
        }
        let message = &attempt.held.message;
        let children = attempt.children.clone();
        let extended = attempt.extended.as_deref().cloned();
        let meta = meta.within(message).with_children(children).with_extended(extended);
        self.keep(meta, &message.properties).await;
    }

    /// Stores a state in any case. `asked` says where an answer goes.
    pub(crate) async fn keep(&self, meta: Meta, asked: &Properties) {
        if let Err(error) = self.results.store(&meta, asked).await {
            tracing::error!(task.id = %meta.id, state = meta.state.as_str(), %error, "a result cannot be stored");
            metrics::counter!("postrider_results_lost_total").increment(1);
        }
    }

    /// An error as the exception that results and events show, with a traceback that says where it was raised.
    pub(crate) fn raised(&self, reason: &Reason, task: &str) -> Exception {
        let exception = reason.exception().into_owned();
        match exception.traceback {
            Some(_) => exception,
            None => exception.raised_in(&format!("Task \"{task}\", on {}", self.node.name)),
        }
    }

    /// What a result tells of the call with `result_extended`.
    pub(crate) fn extended(&self, attempt: &Attempt<'_, S>, arguments: &Arguments) -> Extended {
        let (args, kwargs) = if attempt.task.sensitive() {
            (json!(["***"]), json!({"***": "***"}))
        } else {
            (json!(arguments.args), json!(arguments.kwargs))
        };
        Extended {
            name: attempt.task.name().to_owned(),
            args,
            kwargs,
            worker: self.node.name.clone(),
            retries: attempt.headers.retries,
            queue: attempt.held.routing_key().to_owned(),
            stamps: Map::new(),
        }
    }

    fn wants_result(&self, task: &Registered<S>, message: &Message) -> bool {
        // A caller that says so has the last word, as in Celery.
        let asked = || Request::of(message).ignore_result();
        self.results.is_on() && !asked().unwrap_or(task.options().ignore_result)
    }
}
