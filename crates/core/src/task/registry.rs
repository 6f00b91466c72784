//! Finds the behaviour of a task by its name.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::{Compute, Context, RetryPolicy, TaskError};
use crate::celery::{Arguments, ArgumentsError};

/// The tasks that a worker can run, with the services `S` that they share.
pub struct Registry<S> {
    tasks: HashMap<&'static str, Registered<S>>,
}

/// A task in the registry.
pub struct Registered<S> {
    name: &'static str,
    retry: RetryPolicy,
    sensitive: bool,
    decode: fn(Arguments) -> Result<Job<S>, ArgumentsError>,
}

/// A call whose arguments are decoded: give it the services and it runs.
pub struct Job<S>(Box<dyn FnOnce(Arc<S>, Context, Expired) -> JobFuture + Send>);

/// Whether the call's end of life has passed.
type Expired = bool;

type JobFuture = Pin<Box<dyn Future<Output = Result<Value, TaskError>> + Send>>;

impl<S: Send + Sync + 'static> Registry<S> {
    /// An empty registry.
    pub fn new() -> Self {
        Self { tasks: HashMap::new() }
    }

    /// Adds a task.
    ///
    /// # Panics
    /// When the name is taken: a second task of one name is a mistake that must not wait for the first message.
    #[must_use]
    pub fn register<T: Compute<S>>(mut self) -> Self {
        let task = Registered {
            name: T::NAME,
            retry: T::RETRY,
            sensitive: T::SENSITIVE,
            decode: decode_and_bind::<T, S>,
        };
        let taken = self.tasks.insert(T::NAME, task).is_some();
        assert!(!taken, "the task {} is registered twice", T::NAME);
        self
    }

    /// The task of that name.
    pub fn get(&self, name: &str) -> Option<&Registered<S>> {
        self.tasks.get(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.tasks.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

impl<S: Send + Sync + 'static> Default for Registry<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Registered<S> {
    /// The task's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What happens after an error that may pass.
    pub fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// Whether the arguments must not be shown.
    pub fn sensitive(&self) -> bool {
        self.sensitive
    }

    /// Reads the arguments of a call.
    pub fn decode(&self, arguments: Arguments) -> Result<Job<S>, ArgumentsError> {
        (self.decode)(arguments)
    }
}

impl<S> Job<S> {
    /// Runs the call once.
    pub fn run(self, services: Arc<S>, context: Context) -> JobFuture {
        (self.0)(services, context, false)
    }

    /// Tells the task that the call's end of life has passed.
    pub fn expire(self, services: Arc<S>, context: Context) -> JobFuture {
        (self.0)(services, context, true)
    }
}

fn decode_and_bind<T: Compute<S>, S: Send + Sync + 'static>(
    arguments: Arguments,
) -> Result<Job<S>, ArgumentsError> {
    let payload: T = arguments.decode()?;
    Ok(Job(Box::new(move |services, context, expired| {
        Box::pin(async move {
            if expired {
                payload.expired(&services, &context).await;
                return Err(TaskError::Expired);
            }
            let value = payload.compute(&services, &context).await?;
            serde_json::to_value(value)
                .map_err(|error| TaskError::fail("unserializable_result", error.to_string()))
        })
    })))
}
