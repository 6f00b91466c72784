//! The tasks of `t/integration/tasks.py` in Celery's source archive, in its order within each file.
//!
//! What is Python by nature is not here: the three remote control commands that the module adds to the worker, which
//! reach into Celery's consumer; and of its exceptions only the names, which a Python client raises by itself.

mod echoes;
mod errors;
mod ids;
mod numbers;
mod replaced;
mod requests;
mod retries;
mod signatures;
mod slow;
mod stamped;
mod workflows;

use std::time::Duration;

use postrider_core::task::{AutoRetry, Registry, RetryPolicy};

use crate::declare::{Services, task};

task!(Ping = "celery.ping", {} | _, _, _ | { Ok("pong".into()) });

pub(crate) fn registry() -> Registry<Services> {
    let registry = Registry::new().register::<Ping>();
    let registry = numbers::add_to(registry);
    let registry = slow::add_to(registry);
    let registry = ids::add_to(registry);
    let registry = echoes::add_to(registry);
    let registry = errors::add_to(registry);
    let registry = requests::add_to(registry);
    let registry = retries::add_to(registry);
    let registry = replaced::add_to(registry);
    let registry = stamped::add_to(registry);
    let registry = workflows::add_to(registry);
    let registry = signatures::add_to(registry);
    configured(registry)
}

/// The options that the tasks have in Python.
fn configured(registry: Registry<Services>) -> Registry<Services> {
    let once = RetryPolicy::celery().max_retries(1);
    registry
        .configure::<numbers::AddIgnoreResult>(|options| options.ignore_result = true)
        .configure::<retries::RetryWithArgs>(|options| options.retry = once)
        .configure::<retries::RetryWithKwargs>(|options| options.retry = once)
        .configure::<retries::RetryOnce>(|options| options.retry = once)
        .configure::<retries::RetryOnceIgnoreResult>(|options| options.ignore_result = true)
        .configure::<retries::RetryOncePriority>(|options| options.retry = once)
        .configure::<retries::RetryOnceHeaders>(|options| options.retry = once)
        .configure::<retries::AutoRetryClass>(|options| {
            options.retry = RetryPolicy::celery_backoff(1).max_retries(1);
            options.autoretry = AutoRetry::Only(&["ValueError"]);
        })
        .configure::<errors::StoreSuccessThenReject>(|options| options.acks_late = true)
        .configure::<errors::RejectThenSucceed>(|options| options.acks_late = true)
        .configure::<requests::SoftMustExceed>(|options| {
            (options.time_limit, options.soft_time_limit) = seconds(1, 2);
        })
        .configure::<requests::DeclaredLimits>(|options| {
            (options.time_limit, options.soft_time_limit) = seconds(60, 45);
        })
}

fn seconds(hard: u64, soft: u64) -> (Option<Duration>, Option<Duration>) {
    (Some(Duration::from_secs(hard)), Some(Duration::from_secs(soft)))
}
