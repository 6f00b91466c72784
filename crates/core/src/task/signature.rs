//! One call of a task, with the options of the call.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Task;
use crate::canvas::{DEFAULT_QUEUE, Step};
use crate::celery::repr::{MASKED_ARGS, MASKED_KWARGS};
use crate::celery::{Arguments, Call, Expires, Options};

/// A task's payload and how it is to be called: Celery's `apply_async`. Options that are not set come from the task.
#[derive(Debug, Clone)]
pub struct Signature<T> {
    pub(crate) payload: T,
    pub(crate) options: Options,
    immutable: bool,
    /// The first of its links that has no JSON form; told when it is enqueued.
    pub(crate) broken: Option<String>,
}

/// What a task's type says about its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallDefaults {
    /// The queue.
    pub queue: &'static str,
    /// The priority.
    pub priority: Option<u8>,
    /// Whether no result is kept.
    pub ignore_result: bool,
    /// Whether its arguments must not be shown.
    pub sensitive: bool,
}

/// The tasks whose types are known, by their names.
pub type KnownTasks = HashMap<&'static str, CallDefaults>;

impl CallDefaults {
    /// What the type of this task says.
    pub const fn of<T: Task>() -> Self {
        Self {
            queue: T::QUEUE,
            priority: T::PRIORITY,
            ignore_result: T::IGNORE_RESULT,
            sensitive: T::SENSITIVE,
        }
    }
}

impl<T: Task> Signature<T> {
    /// A call with the task's own options.
    pub fn new(payload: T) -> Self {
        Self { payload, options: Options::default(), immutable: false, broken: None }
    }

    /// The task id, instead of a fresh UUID. Two calls with one id are one task to whoever keeps records by id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.options.task_id = Some(id.into());
        self
    }

    /// Another queue than the task's.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.options.queue = Some(queue.into());
        self
    }

    /// An exchange and a routing key, instead of a queue. The exchange must be there.
    #[must_use]
    pub fn route(mut self, exchange: impl Into<String>, routing_key: impl Into<String>) -> Self {
        (self.options.exchange, self.options.routing_key) = (Some(exchange.into()), Some(routing_key.into()));
        self
    }

    /// A wait of at least this long before it runs; fractions of a second are rounded up.
    #[must_use]
    pub fn countdown(mut self, delay: Duration) -> Self {
        self.options.countdown = Some(delay);
        self
    }

    /// The instant before which it does not run.
    #[must_use]
    pub fn eta(mut self, at: Timestamp) -> Self {
        self.options.eta = Some(at);
        self
    }

    /// The instant, or the time from now, after which it is not worth running. A worker counts it then and tells the
    /// task.
    #[must_use]
    pub fn expires(mut self, end: impl Into<Expires>) -> Self {
        self.options.expires = Some(end.into());
        self
    }

    /// As [`Signature::expires`], and the broker drops the message when it expires in its queue, as with Celery. Nobody
    /// hears of it.
    #[must_use]
    pub fn dropped_after(mut self, end: impl Into<Expires>) -> Self {
        self.options.drop_expired = true;
        self.expires(end)
    }

    /// The priority, which a classic queue with `x-max-priority` heeds.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// The hard time limit of this call.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.options.time_limit = Some(limit);
        self
    }

    /// The soft time limit of this call.
    #[must_use]
    pub fn soft_time_limit(mut self, limit: Duration) -> Self {
        self.options.soft_time_limit = Some(limit);
        self
    }

    /// A header of one's own. It reaches the task's request and survives retries.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.options.headers.insert(name.into(), value.into());
        self
    }

    /// Calls `callback` with the result.
    #[must_use]
    pub fn link(mut self, callback: impl Step) -> Self {
        match callback.into_workflow().into_call() {
            Ok(call) => self.options.link.push(call),
            Err(error) => self.broken = self.broken.or(Some(error.to_string())),
        }
        self
    }

    /// Calls `errback` with the task id after a failure.
    #[must_use]
    pub fn link_error(mut self, errback: impl Step) -> Self {
        match errback.into_workflow().into_call() {
            Ok(call) => self.options.link_error.push(call),
            Err(error) => self.broken = self.broken.or(Some(error.to_string())),
        }
        self
    }

    /// Another name for tools to show.
    #[must_use]
    pub fn shadow(mut self, name: impl Into<String>) -> Self {
        self.options.shadow = Some(name.into());
        self
    }

    /// Whether no result is kept of this call.
    #[must_use]
    pub fn ignore_result(mut self, ignore: bool) -> Self {
        self.options.ignore_result = Some(ignore);
        self
    }

    /// What tools show as the arguments, Python's `argsrepr` and `kwargsrepr`.
    #[must_use]
    pub fn shown_as(mut self, args: impl Into<String>, kwargs: impl Into<String>) -> Self {
        (self.options.argsrepr, self.options.kwargsrepr) = (Some(args.into()), Some(kwargs.into()));
        self
    }

    /// Takes no result of the step before it, Python's `si()`.
    #[must_use]
    pub fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// The call as a value, to stand in a workflow or to be an argument. What is secret in it is not shown by whoever
    /// publishes it.
    pub fn into_call(self) -> Result<Call, serde_json::Error> {
        if let Some(broken) = self.broken {
            return Err(serde::ser::Error::custom(broken));
        }
        let Arguments { args, kwargs } = Arguments::of(&self.payload)?;
        let mut options = self.options;
        let defaults = CallDefaults::of::<T>();
        if defaults.sensitive {
            options.argsrepr.get_or_insert_with(|| MASKED_ARGS.to_owned());
            options.kwargsrepr.get_or_insert_with(|| MASKED_KWARGS.to_owned());
        }
        // Whoever publishes it may not know the task. The default queue is everybody's own.
        if options.exchange.is_none() && defaults.queue != DEFAULT_QUEUE {
            options.queue.get_or_insert_with(|| defaults.queue.to_owned());
        }
        if defaults.ignore_result {
            options.ignore_result.get_or_insert(true);
        }
        options.priority = options.priority.or(defaults.priority);
        let options = options.write();
        Ok(Call { args, kwargs, options, immutable: self.immutable, ..Call::new(T::NAME) })
    }
}

impl<T: Task> From<T> for Signature<T> {
    fn from(payload: T) -> Self {
        Self::new(payload)
    }
}
