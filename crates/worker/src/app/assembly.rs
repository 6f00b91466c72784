//! The parts of a worker, put together from its tasks and its options.

use std::sync::{Arc, Mutex};

use postrider_core::producer::Producer;
use postrider_core::remote::Remote;
use postrider_core::routes::Routes;
use postrider_core::shutdown::Shutdown;
use postrider_core::task::{Node, TaskOptions};

use super::{Options, Worker};
use crate::blocking::Threads;
use crate::control::{Changes, Levers, Prepared};
use crate::execute::Executor;
use crate::intake::{self, Intake};
use crate::options::PoolKind;
use crate::runs::Runs;
use crate::settle::Settler;
use crate::sources::Sources;

impl<S: Send + Sync + 'static> Worker<S> {
    pub(super) fn intake(&self, sources: &Sources, threads: &Threads, shutdown: &Shutdown) -> Intake {
        let Options { name, queues, concurrency, control, clock, .. } = &self.options;
        let remote = || {
            Remote::new(self.broker.clone(), control.namespace.clone(), clock.clone())
                .with_serializer(control.serializer)
        };
        let worker = intake::Worker {
            broker: &self.broker,
            name,
            tasks: self.registry.names().into_iter().map(str::to_owned).collect(),
            queues,
            sources,
            remote: control.enabled.then(remote),
            concurrency: *concurrency,
            threads: (self.options.pool == PoolKind::Threads).then(|| threads.clone()),
        };
        Intake::start(worker, self.options.intake.clone(), shutdown)
    }

    /// What remote control moves.
    pub(super) fn levers(&self, intake: &Intake, shutdown: &Shutdown) -> Levers {
        let mut tasks: Vec<(&'static str, TaskOptions)> =
            self.registry.tasks().map(|task| (task.name(), *task.options())).collect();
        tasks.sort_unstable_by_key(|(name, _)| *name);
        Levers {
            capacity: intake.capacity.clone(),
            queues: intake.queues.clone(),
            changes: Changes::follow(intake.queues.clone(), intake.capacity.clone(), shutdown),
            rates: Arc::clone(&self.rates),
            limits: Arc::clone(&self.limits),
            of_worker: self.options.time_limits,
            tasks,
            pool: self.options.pool,
            shown: Mutex::default(),
            broker: self.broker.clone(),
            results: self.results.clone(),
            settings: self.options.shown_settings.clone(),
            clock: self.options.clock.clone(),
            shutdown: shutdown.clone(),
        }
    }

    pub(super) fn executor(
        self,
        sources: Sources,
        shutdown: &Shutdown,
        threads: Threads,
    ) -> (Prepared, Executor<S>) {
        let Self { options, broker, results, .. } = self;
        let producer = Producer::new(broker.clone(), options.clock.clone(), &options.name)
            .with_results(results.clone())
            .with_routes(Arc::new(Routes::new(options.all_routes())))
            .with_tasks(Arc::new(self.registry.known()));
        let executor = Executor {
            observer: self.observer,
            registry: self.registry,
            services: self.services,
            settler: Settler {
                broker,
                shutdown: shutdown.clone(),
                keys: self.keys,
                dead_max_length: options.dead_max_length,
                worker: options.name.clone(),
                clock: options.clock.clone(),
            },
            node: Arc::new(Node { producer, results: results.clone(), name: options.name }),
            clock: options.clock,
            shutdown: shutdown.clone(),
            jitter: options.retry_jitter,
            sources,
            limits: self.limits,
            threads,
            results,
            result_options: self.result_options,
            runs: Runs::default(),
            rates: self.rates,
            dead_letters: options.dead_letters,
        };
        (self.prepared, executor)
    }
}
