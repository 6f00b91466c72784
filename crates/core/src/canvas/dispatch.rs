//! Makes messages of calls: what a call, its task's type and the task that makes it say, in one envelope.

use std::fmt;

use jiff::Timestamp;

use super::apply::Given;
use super::{Address, Canvas, Outgoing, Plan};
use crate::broker::message::Value as Header;
use crate::celery::repr::{MASKED_ARGS, MASKED_KWARGS, args_repr, kwargs_repr};
use crate::celery::{Arguments, Embed, Envelope, Options};
use crate::producer::{VERSION, VERSION_HEADER};
use crate::routes::{Route, Routes};
use crate::task::{CallDefaults, KnownTasks};

/// The queue of a task that nobody has said anything about.
pub const DEFAULT_QUEUE: &str = "celery";
/// The task that makes calls.
#[derive(Debug, Clone, Copy)]
pub struct Parent<'a> {
    /// Its id.
    pub id: &'a str,
    /// The id of the first task of its workflow.
    pub root: &'a str,
}

/// Makes messages of calls.
#[derive(Clone, Copy)]
pub struct Dispatcher<'a> {
    /// The process that makes the calls.
    pub origin: &'a str,
    /// When they are made.
    pub now: Timestamp,
    /// The task that makes them, if one does.
    pub parent: Option<Parent<'a>>,
    /// The queue that results go to with the backend `rpc`.
    pub reply_to: Option<&'a str>,
    /// Queues of tasks by their names.
    pub routes: &'a Routes,
    /// The tasks whose types are known here.
    pub tasks: &'a KnownTasks,
    /// Where new ids come from.
    pub ids: &'a (dyn Fn() -> String + Send + Sync),
}

impl Dispatcher<'_> {
    /// The messages that start a canvas.
    pub fn plan(&self, canvas: Canvas) -> Plan {
        let mut plan = Plan::default();
        self.call(canvas, Given::default(), &mut plan);
        plan
    }

    /// One call as a message. `known` is what the task's type says, where that is known.
    pub fn outgoing(
        &self,
        task: &str,
        arguments: &Arguments,
        mut options: Options,
        known: Option<&CallDefaults>,
    ) -> Outgoing {
        let id = options.task_id.take().unwrap_or_else(|| self.new_id());
        if let Some(parent) = self.parent {
            options.root_id.get_or_insert_with(|| parent.root.to_owned());
            options.parent_id.get_or_insert_with(|| parent.id.to_owned());
        }
        if options.reply_to.is_none() {
            options.reply_to = self.reply_to.map(str::to_owned);
        }
        options.priority = options.priority.or_else(|| self.routes.of(task)?.priority);
        if let Some(known) = known {
            options.ignore_result = options.ignore_result.or(Some(known.ignore_result));
            options.priority = options.priority.or(known.priority);
        }
        let embed = Embed {
            callbacks: std::mem::take(&mut options.link),
            errbacks: std::mem::take(&mut options.link_error),
            chain: std::mem::take(&mut options.chain),
            chord: options.chord.take(),
        };
        let shown = |given: &Option<String>, repr: &dyn Fn() -> String, masked: &str| match given {
            Some(given) => given.clone(),
            None if known.is_some_and(|known| known.sensitive) => masked.to_owned(),
            None => repr(),
        };
        let argsrepr = shown(&options.argsrepr, &|| args_repr(&arguments.args), MASKED_ARGS);
        let kwargsrepr = shown(&options.kwargsrepr, &|| kwargs_repr(&arguments.kwargs), MASKED_KWARGS);
        let envelope = Envelope {
            task,
            id: &id,
            origin: self.origin,
            argsrepr: &argsrepr,
            kwargsrepr: &kwargsrepr,
            now: self.now,
            options: &options,
        };
        let mut message = envelope.seal(arguments.write_with(&embed));
        if known.is_some() {
            message.headers.insert(VERSION_HEADER.into(), Header::I32(VERSION));
        }
        let wait = options.due(self.now).map(|due| due.duration_since(self.now));
        let delay = wait.and_then(|wait| wait.try_into().ok()).unwrap_or_default();
        Outgoing { id, address: self.address(task, options, known), delay, message }
    }

    fn address(&self, task: &str, options: Options, known: Option<&CallDefaults>) -> Address {
        match (options.exchange, options.routing_key, options.queue) {
            (Some(exchange), Some(key), _) => Address::Exchange { exchange, key },
            (_, _, Some(queue)) => Address::Queue(queue),
            (_, _, None) => match self.routes.of(task) {
                Some(Route { exchange: Some(exchange), routing_key, .. }) => Address::Exchange {
                    exchange: exchange.clone(),
                    key: routing_key.clone().unwrap_or_default(),
                },
                _ => Address::Queue(self.queue_of(task, known).unwrap_or(DEFAULT_QUEUE).to_owned()),
            },
        }
    }

    /// The queue of a task that its route or its type names.
    pub(super) fn queue_of(&self, task: &str, known: Option<&CallDefaults>) -> Option<&str> {
        let typed = || known.or_else(|| self.tasks.get(task)).map(|known| known.queue);
        self.routes.queue(task).or_else(typed)
    }

    pub(super) fn new_id(&self) -> String {
        (self.ids)()
    }
}

impl fmt::Debug for Dispatcher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("origin", &self.origin).finish_non_exhaustive()
    }
}
