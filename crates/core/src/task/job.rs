//! A call whose arguments are decoded and whose type is forgotten: what a worker runs.

use std::pin::Pin;

use serde::Serialize;
use serde_json::Value;

use super::{Compute, ComputeBlocking, Context, TaskError};

/// A decoded call: give it the services and its context and it runs.
pub enum Job<S> {
    /// Runs on the async runtime.
    Async(AsyncJob<S>),
    /// Blocks the thread that it runs on.
    Blocking(BlockingJob<S>),
}

/// A decoded call that runs on the async runtime.
pub struct AsyncJob<S>(Box<dyn RunOnce<S>>);

/// A decoded call that blocks the thread that it runs on.
pub struct BlockingJob<S>(Box<dyn BlockOnce<S>>);

/// A run, which ends with a value in its JSON form.
pub type JobFuture<'a> = Pin<Box<dyn Future<Output = Result<Value, TaskError>> + Send + 'a>>;

impl<S> AsyncJob<S> {
    pub(super) fn of<T: Compute<S>>(payload: T) -> Self
    where
        S: Send + Sync + 'static,
    {
        Self(Box::new(Payload(payload)))
    }

    /// A call whose value is known without running anything.
    pub(super) fn known(value: Value) -> Self {
        Self(Box::new(Known(value)))
    }

    /// Calls one after the other, whose value is the list of theirs.
    pub(super) fn each(jobs: Vec<Self>) -> Self
    where
        S: Send + Sync + 'static,
    {
        Self(Box::new(EachAsync(jobs)))
    }

    /// Runs the call once.
    pub fn run<'a>(self, services: &'a S, context: &'a Context) -> JobFuture<'a> {
        self.0.run(services, context)
    }

    /// Tells the task that the call's end of life has passed.
    pub fn expire<'a>(self, services: &'a S, context: &'a Context) -> JobFuture<'a> {
        self.0.expire(services, context)
    }
}

impl<S> BlockingJob<S> {
    pub(super) fn of<T: ComputeBlocking<S>>(payload: T) -> Self {
        Self(Box::new(BlockingPayload(payload)))
    }

    /// Calls one after the other, whose value is the list of theirs.
    pub(super) fn each(jobs: Vec<Self>) -> Self
    where
        S: 'static,
    {
        Self(Box::new(EachBlocking(jobs)))
    }

    /// Runs the call once, on the present thread.
    pub fn run(self, services: &S, context: &Context) -> Result<Value, TaskError> {
        self.0.run(services, context)
    }

    /// Tells the task that the call's end of life has passed.
    pub fn expire(self, services: &S, context: &Context) -> Result<Value, TaskError> {
        self.0.expire(services, context)
    }
}

trait RunOnce<S>: Send {
    fn run<'a>(self: Box<Self>, services: &'a S, context: &'a Context) -> JobFuture<'a>;
    fn expire<'a>(self: Box<Self>, services: &'a S, context: &'a Context) -> JobFuture<'a>;
}

struct Payload<T>(T);

impl<S: Send + Sync + 'static, T: Compute<S>> RunOnce<S> for Payload<T> {
    fn run<'a>(self: Box<Self>, services: &'a S, context: &'a Context) -> JobFuture<'a> {
        Box::pin(async move { json(&self.0.compute(services, context).await?) })
    }

    fn expire<'a>(self: Box<Self>, services: &'a S, context: &'a Context) -> JobFuture<'a> {
        Box::pin(async move {
            self.0.expired(services, context).await;
            Err(TaskError::Expired)
        })
    }
}

struct Known(Value);

impl<S> RunOnce<S> for Known {
    fn run<'a>(self: Box<Self>, _services: &'a S, _context: &'a Context) -> JobFuture<'a> {
        Box::pin(std::future::ready(Ok(self.0)))
    }

    fn expire<'a>(self: Box<Self>, _services: &'a S, _context: &'a Context) -> JobFuture<'a> {
        Box::pin(std::future::ready(Err(TaskError::Expired)))
    }
}

trait BlockOnce<S>: Send {
    fn run(self: Box<Self>, services: &S, context: &Context) -> Result<Value, TaskError>;
    fn expire(self: Box<Self>, services: &S, context: &Context) -> Result<Value, TaskError>;
}

struct BlockingPayload<T>(T);

impl<S, T: ComputeBlocking<S>> BlockOnce<S> for BlockingPayload<T> {
    fn run(self: Box<Self>, services: &S, context: &Context) -> Result<Value, TaskError> {
        json(&self.0.compute_blocking(services, context)?)
    }

    fn expire(self: Box<Self>, services: &S, context: &Context) -> Result<Value, TaskError> {
        self.0.expired(services, context);
        Err(TaskError::Expired)
    }
}

struct EachAsync<S>(Vec<AsyncJob<S>>);

impl<S: Send + Sync + 'static> RunOnce<S> for EachAsync<S> {
    fn run<'a>(self: Box<Self>, services: &'a S, context: &'a Context) -> JobFuture<'a> {
        Box::pin(async move {
            let mut values = Vec::with_capacity(self.0.len());
            for job in self.0 {
                values.push(job.run(services, context).await?);
            }
            Ok(Value::Array(values))
        })
    }

    fn expire<'a>(self: Box<Self>, _services: &'a S, _context: &'a Context) -> JobFuture<'a> {
        Box::pin(std::future::ready(Err(TaskError::Expired)))
    }
}

struct EachBlocking<S>(Vec<BlockingJob<S>>);

impl<S> BlockOnce<S> for EachBlocking<S> {
    fn run(self: Box<Self>, services: &S, context: &Context) -> Result<Value, TaskError> {
        self.0.into_iter().map(|job| job.run(services, context)).collect()
    }

    fn expire(self: Box<Self>, _services: &S, _context: &Context) -> Result<Value, TaskError> {
        Err(TaskError::Expired)
    }
}

fn json(value: &impl Serialize) -> Result<Value, TaskError> {
    serde_json::to_value(value).map_err(|error| TaskError::fail("unserializable_result", error.to_string()))
}
