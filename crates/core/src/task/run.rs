//! The behaviour of a task: three traits, of which a task has one.

use serde::Serialize;

use super::{Context, Task, TaskError};

/// What a run ends with: a value, or an error that says what comes next.
pub type TaskResult<T = ()> = Result<T, TaskError>;

/// How a task is done, given the services that the worker was started with.
///
/// A task that returns a value implements [`Compute`] instead, one that blocks its thread [`ComputeBlocking`].
pub trait Run<S>: Task {
    /// Runs the task once. An error decides what comes next: see [`TaskError`].
    fn run(self, services: &S, context: &Context) -> impl Future<Output = TaskResult> + Send;

    /// Called instead of [`Run::run`] when the call's end of life has passed. Does nothing unless it is written.
    fn expired(self, services: &S, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (services, context);
        std::future::ready(())
    }
}

/// How a task is done that returns a value. Every [`Run`] is one, with the value `()`.
#[diagnostic::on_unimplemented(
    message = "the task `{Self}` cannot be run with the services `{S}`: write `impl Run<{S}> for {Self}`",
    label = "has no `impl Run<{S}>`"
)]
pub trait Compute<S>: Task {
    /// The value, which goes to the result backend.
    type Output: Serialize + Send;

    /// Runs the task once. An error decides what comes next: see [`TaskError`].
    fn compute(
        self,
        services: &S,
        context: &Context,
    ) -> impl Future<Output = TaskResult<Self::Output>> + Send;

    /// Called instead of [`Compute::compute`] when the call's end of life has passed. Does nothing unless it is written.
    fn expired(self, services: &S, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = (services, context);
        std::future::ready(())
    }
}

impl<S: Sync, T: Run<S>> Compute<S> for T {
    type Output = ();

    fn compute(self, services: &S, context: &Context) -> impl Future<Output = TaskResult> + Send {
        self.run(services, context)
    }

    fn expired(self, services: &S, context: &Context) -> impl Future<Output = ()> + Send {
        Run::expired(self, services, context)
    }
}

/// How a task is done that blocks its thread: it computes for long, or calls what knows no async. It runs on the
/// worker's own threads, which are bounded, and is registered with
/// [`Registry::register_blocking`](super::Registry::register_blocking).
///
/// A thread cannot be stopped. At a hard limit the task has failed, and the thread goes on until the function returns:
/// a task that may take long asks [`Context::soft_limit_has_passed`] now and then, and returns when it has.
pub trait ComputeBlocking<S>: Task {
    /// The value, which goes to the result backend; `()` where there is none.
    type Output: Serialize + Send;

    /// Runs the task once. An error decides what comes next: see [`TaskError`].
    fn compute_blocking(self, services: &S, context: &Context) -> TaskResult<Self::Output>;

    /// Called instead of [`ComputeBlocking::compute_blocking`] when the call's end of life has passed. Does nothing
    /// unless it is written.
    fn expired(self, services: &S, context: &Context) {
        let _ = (services, context);
    }
}
