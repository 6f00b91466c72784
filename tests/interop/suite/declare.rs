//! How the tasks of this worker are written down, and what they share.

use postrider_core::broker::message::Value as Header;
use postrider_core::celery::{Body, Call, Exception};
use postrider_core::results::Results;
use postrider_core::task::{Context, TaskError};
use serde_json::{Map, Value, json};

use crate::redis::Redis;

/// The module of the tasks and of the exceptions that they raise.
pub(crate) const MODULE: &str = "t.integration.tasks";

/// What the tasks share.
pub(crate) struct Services {
    pub(crate) redis: Redis,
    pub(crate) results: Results,
    tells: Option<String>,
}

impl Services {
    pub(crate) fn new(redis: Redis, results: Results, tells: Option<String>) -> Self {
        Self { redis, results, tells }
    }

    /// Shows a task's message to the tests that look into the worker's process in Celery, and waits until they have
    /// looked. Without `SUITE_TELLS` nobody does.
    pub(crate) async fn tell(&self, context: &Context) -> Result<(), TaskError> {
        let Some(list) = &self.tells else { return Ok(()) };
        let body: Value = serde_json::from_slice(&context.message().body).unwrap_or_default();
        let headers: Map<String, Value> =
            context.message().headers.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
        self.redis.push(list, &json!({"headers": headers, "body": body}).to_string()).await?;
        self.redis.taken(&format!("{list}:{}", context.id), 2.0).await?;
        Ok(())
    }
}

/// Writes down a task as Celery has it when nothing is said: acknowledged early, tried again only when it asks.
///
/// A macro, against the rule, because what it writes is the same sixty times: a payload, two traits and their options.
macro_rules! task {
    ($type:ident = $name:expr, { $($(#[$attribute:meta])* $field:ident: $kind:ty),* $(,)? } $($body:tt)*) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $type { $($(#[$attribute])* $field: $kind),* }
        $crate::declare::task!(impl $type = $name, $($body)*);
    };
    // Any number of arguments, which the task reads by itself: see `positional`.
    ($type:ident = $name:expr, * $($body:tt)*) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $type;
        $crate::declare::task!(impl $type = $name, $($body)*);
    };
    (impl $type:ident = $name:expr, |$task:pat_param, $services:pat_param, $context:pat_param| $body:block) => {
        impl postrider_core::task::Task for $type {
            const NAME: &'static str = $name;
            const ACKS_LATE: bool = false;
            const RETRY: postrider_core::task::RetryPolicy = postrider_core::task::RetryPolicy::celery();
            const AUTORETRY: postrider_core::task::AutoRetry = postrider_core::task::AutoRetry::Nothing;
        }

        impl postrider_core::task::Compute<$crate::declare::Services> for $type {
            type Output = serde_json::Value;

            async fn compute(
                self,
                services: &$crate::declare::Services,
                context: &postrider_core::task::Context,
            ) -> postrider_core::task::TaskResult<serde_json::Value> {
                services.tell(context).await?;
                let ($task, $services, $context) = (self, services, context);
                $body
            }
        }
    };
}
pub(crate) use task;

/// A call of one of the tasks.
pub(crate) fn call(task: &str) -> Call {
    Call::new(format!("{MODULE}.{task}"))
}

/// A failure with one of Python's own exceptions.
pub(crate) fn raise(kind: &str, text: impl Into<String>) -> TaskError {
    TaskError::raise(Exception::builtin(kind, text))
}

/// A failure with an exception of the tasks' module.
pub(crate) fn raise_own(kind: &str, args: Vec<Value>) -> TaskError {
    TaskError::raise(Exception::new(kind, MODULE, args))
}

/// All positional arguments, of a task that takes any number: Python's `*args`.
pub(crate) fn positional(context: &Context) -> Result<Vec<Value>, TaskError> {
    Ok(Body::read(context.message())?.arguments.args)
}

/// A header as JSON has it.
pub(crate) fn plain(header: &Header) -> Value {
    match header {
        Header::Bool(truth) => (*truth).into(),
        Header::F32(number) => (*number).into(),
        Header::F64(number) => (*number).into(),
        Header::Str(text) => text.as_str().into(),
        Header::Array(items) => items.iter().map(plain).collect(),
        Header::Table(table) => {
            Value::Object(table.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        other => other.as_i64().map_or(Value::Null, Value::from),
    }
}
