//! Finds the behaviour of a task by its name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::each::{Decode, Decoders, Each};
use super::{
    AsyncJob, BlockingJob, CallDefaults, Compute, ComputeBlocking, Job, KnownTasks, LimitError, RetryPolicy,
    Task, TaskOptions,
};
use crate::canvas::Accumulate;
use crate::celery::{Arguments, ArgumentsError};

/// The tasks that a worker can run, with the services `S` that they share.
pub struct Registry<S> {
    tasks: HashMap<&'static str, Registered<S>>,
}

/// A task in the registry.
pub struct Registered<S> {
    name: &'static str,
    options: TaskOptions,
    calls: CallDefaults,
    decode: Decoder<S>,
    blocks: bool,
}

/// What reads the arguments of a task.
enum Decoder<S> {
    Typed(Decode<S>),
    /// `celery.map`, of these tasks.
    Map(Arc<Decoders<S>>),
    /// `celery.starmap`.
    Starmap(Arc<Decoders<S>>),
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// An empty registry.
    pub fn new() -> Self {
        Self { tasks: HashMap::new() }
    }

    /// Adds a task that runs on the async runtime.
    ///
    /// # Panics
    /// When the name is taken: a second task of one name is a mistake that must not wait for the first message.
    #[must_use]
    pub fn register<T: Compute<S>>(self) -> Self {
        self.add::<T>(|arguments| Ok(Job::Async(AsyncJob::of::<T>(arguments.decode()?))))
    }

    /// Adds a task that blocks its thread.
    ///
    /// # Panics
    /// When the name is taken.
    #[must_use]
    pub fn register_blocking<T: ComputeBlocking<S>>(self) -> Self {
        let mut this =
            self.add::<T>(|arguments| Ok(Job::Blocking(BlockingJob::of::<T>(arguments.decode()?))));
        this.tasks.entry(T::NAME).and_modify(|task| task.blocks = true);
        this
    }

    /// Adds the tasks that every Celery worker has and that others may call here: `celery.accumulate`, and
    /// `celery.map` and `celery.starmap` of the tasks that are registered before.
    #[must_use]
    pub fn with_builtins(self) -> Self {
        let typed = |(name, task): (&&'static str, &Registered<S>)| match task.decode {
            Decoder::Typed(decode) => Some((*name, decode)),
            Decoder::Map(_) | Decoder::Starmap(_) => None,
        };
        let decoders: Arc<Decoders<S>> = Arc::new(self.tasks.iter().filter_map(typed).collect());
        self.add::<Accumulate>(|arguments| {
            let payload: Accumulate = arguments.decode()?;
            Ok(Job::Async(AsyncJob::known(payload.value())))
        })
        .add_with::<Each<false>>(Decoder::Map(Arc::clone(&decoders)))
        .add_with::<Each<true>>(Decoder::Starmap(decoders))
    }

    /// Changes the options of a task that is registered, for this worker and for the calls that its tasks make by name.
    ///
    /// # Panics
    /// When it is not registered.
    #[must_use]
    pub fn configure<T: Task>(mut self, change: impl FnOnce(&mut TaskOptions)) -> Self {
        let task = self.tasks.get_mut(T::NAME);
        let task = task.unwrap_or_else(|| panic!("the task {} is not registered", T::NAME));
        change(&mut task.options);
        // Calls that name the task only are made by these.
        task.calls.ignore_result = task.options.ignore_result;
        task.calls.sensitive = task.options.sensitive;
        self
    }

    /// Refuses a task that is acknowledged after its run and may run for longer than half the time that the broker waits
    /// for an acknowledgement.
    pub fn check(&self, consumer_timeout: Duration) -> Result<(), LimitError> {
        self.tasks.values().try_for_each(|task| task.options.check(task.name, consumer_timeout))
    }

    /// The task of that name.
    pub fn get(&self, name: &str) -> Option<&Registered<S>> {
        self.tasks.get(name)
    }

    /// All tasks, in no order.
    pub fn tasks(&self) -> impl Iterator<Item = &Registered<S>> {
        self.tasks.values()
    }

    /// Whether there are tasks, and each of them blocks its thread.
    pub fn only_blocks(&self) -> bool {
        !self.tasks.is_empty() && self.tasks.values().all(|task| task.blocks)
    }

    /// What a producer needs to know of the tasks, so that calls that name them only are made as their types say.
    pub fn known(&self) -> KnownTasks {
        self.tasks.iter().map(|(name, task)| (*name, task.calls)).collect()
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.tasks.keys().copied().collect();
        names.sort_unstable();
        names
    }

    fn add<T: Task>(self, decode: Decode<S>) -> Self {
        self.add_with::<T>(Decoder::Typed(decode))
    }

    fn add_with<T: Task>(mut self, decode: Decoder<S>) -> Self {
        let (options, calls) = (TaskOptions::of::<T>(), CallDefaults::of::<T>());
        let task = Registered { name: T::NAME, options, calls, decode, blocks: false };
        let taken = self.tasks.insert(T::NAME, task).is_some();
        assert!(!taken, "the task {} is registered twice", T::NAME);
        self
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

    /// Its options in this worker.
    pub fn options(&self) -> &TaskOptions {
        &self.options
    }

    /// What happens after an error that may pass.
    pub fn retry(&self) -> RetryPolicy {
        self.options.retry
    }

    /// Whether the arguments must not be shown.
    pub fn sensitive(&self) -> bool {
        self.options.sensitive
    }
}

impl<S: Send + Sync + 'static> Registered<S> {
    /// Reads the arguments of a call.
    pub fn decode(&self, arguments: Arguments) -> Result<Job<S>, ArgumentsError> {
        match &self.decode {
            Decoder::Typed(decode) => decode(arguments),
            Decoder::Map(decoders) => arguments.decode::<Each<false>>()?.job(decoders),
            Decoder::Starmap(decoders) => arguments.decode::<Each<true>>()?.job(decoders),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::task::{Context, Run, TaskResult};

    #[derive(Serialize, Deserialize)]
    struct Plain;

    impl Task for Plain {
        const NAME: &'static str = "plain";
    }

    impl Run<()> for Plain {
        async fn run(self, _services: &(), _context: &Context) -> TaskResult {
            Ok(())
        }
    }

    #[test]
    fn options_that_are_changed_hold_for_calls_by_name_too() {
        let registry = Registry::new().register::<Plain>().configure::<Plain>(|options| {
            options.ignore_result = true;
            options.sensitive = true;
        });

        let calls = registry.known()["plain"];

        assert!(calls.ignore_result && calls.sensitive);
    }

    #[test]
    fn what_a_map_calls_its_task_with_is_never_shown() {
        let registry = Registry::<()>::new().register::<Plain>().with_builtins();

        for name in ["celery.map", "celery.starmap"] {
            assert!(registry.get(name).unwrap().sensitive() && registry.known()[name].sensitive, "{name}");
        }
        assert!(!registry.get("plain").unwrap().sensitive());
    }
}
