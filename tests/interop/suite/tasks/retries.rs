//! Tasks that ask to be tried again.

use std::time::Duration;

use postrider_core::celery::Exception;
use postrider_core::task::{Reason, Registry, Retry, TaskError};
use serde_json::{Map, Value, json};

use super::numbers::{plus, truth};
use crate::declare::{MODULE, Services, plain, task};

task!(RetryTask = "t.integration.tasks.retry", { #[serde(default)] return_value: Value } |task, _, context| {
    if truth(&task.return_value) && context.retries >= 3 {
        return Ok(task.return_value);
    }
    let expected = Exception::new("ExpectedException", MODULE, Vec::new());
    Err(Retry::after(Duration::from_secs(5)).because(expected).into())
});

/// `retry_kwargs` of the test.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct RetryKwargs {
    countdown: f64,
    max_retries: u32,
}

task!(RetryUnpickleable = "t.integration.tasks.retry_unpickleable", {
    foo: Value,
    bar: Value,
    retry_kwargs: RetryKwargs,
} |task, _, _| {
    let _ = task.bar;
    let exception = Exception::new("UnpickleableException", MODULE, vec![task.foo]);
    let RetryKwargs { countdown, max_retries } = task.retry_kwargs;
    Err(Retry::after(Duration::from_secs_f64(countdown)).because(exception).max_retries(max_retries).into())
});

task!(RetryWithArgs = "t.integration.tasks.retry_with_args_after_kwargs", {
    foo: Value,
    bar: Value,
    #[serde(default)] label: Value,
} |task, _, context| {
    if context.retries == 0 {
        let next = Self {
            foo: plus(task.foo, 1.into())?,
            bar: plus(task.bar, 1.into())?,
            label: task.label,
        };
        return Err(Retry::after(Duration::ZERO).with_payload(&next)?.into());
    }
    Ok(json!({
        "foo": task.foo, "bar": task.bar, "label": task.label, "retries": context.retries, "is_eager": false,
    }))
});

task!(RetryWithKwargs = "t.integration.tasks.retry_with_kwargs_after_args", {
    foo: Value,
    bar: Value,
} |task, _, context| {
    if context.retries == 0 {
        let next = Self { foo: plus(task.foo, 1.into())?, bar: task.bar };
        return Err(Retry::after(Duration::ZERO).with_payload(&next)?.into());
    }
    Ok(json!({"foo": task.foo, "bar": task.bar, "retries": context.retries, "is_eager": false}))
});

task!(RetryOnce = "t.integration.tasks.retry_once", {
    #[serde(default = "once")] max_retries: u32,
    #[serde(default = "tenth")] countdown: f64,
} |task, _, context| {
    if context.retries > 0 {
        return Ok(context.retries.into());
    }
    Err(Retry::after(Duration::from_secs_f64(task.countdown)).max_retries(task.max_retries).into())
});

task!(
    RetryOnceIgnoreResult = "t.integration.tasks.retry_once_ignore_result",
    {} | _,
    _,
    context | { if context.retries == 0 { Err(at_once()) } else { Ok(context.retries.into()) } }
);

task!(
    RetryOnceWithResult = "t.integration.tasks.retry_once_with_result",
    {} | _,
    _,
    context | { if context.retries == 0 { Err(at_once()) } else { Ok(context.retries.into()) } }
);

task!(RetryOncePriority = "t.integration.tasks.retry_once_priority", {
    #[serde(default = "once")] max_retries: u32,
    #[serde(default = "tenth")] countdown: f64,
} |task, _, context| {
    if context.retries > 0 {
        return Ok(context.request().priority().into());
    }
    Err(Retry::after(Duration::from_secs_f64(task.countdown)).max_retries(task.max_retries).into())
});

task!(RetryOnceHeaders = "t.integration.tasks.retry_once_headers", {
    #[serde(default = "once")] max_retries: u32,
    #[serde(default = "tenth")] countdown: f64,
} |task, _, context| {
    if context.retries > 0 {
        let own = context.request().own_headers();
        return Ok(own.map(|(name, value)| (name.to_owned(), plain(value))).collect::<Map<_, _>>().into());
    }
    Err(Retry::after(Duration::from_secs_f64(task.countdown)).max_retries(task.max_retries).into())
});

task!(
    AutoRetryClass = "auto_retry_class_task",
    {} | _,
    _,
    context | {
        if context.retries > 0 {
            return Ok(context.retries.into());
        }
        Err(TaskError::Raised(Reason::from(Exception::new("ValueError", "builtins", Vec::new()))))
    }
);

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry
        .register::<RetryTask>()
        .register::<RetryUnpickleable>()
        .register::<RetryWithArgs>()
        .register::<RetryWithKwargs>()
        .register::<RetryOnce>()
        .register::<RetryOnceIgnoreResult>()
        .register::<RetryOnceWithResult>()
        .register::<RetryOncePriority>()
        .register::<RetryOnceHeaders>()
        .register::<AutoRetryClass>()
}

fn at_once() -> TaskError {
    Retry::after(Duration::ZERO).into()
}

fn once() -> u32 {
    1
}

fn tenth() -> f64 {
    0.1
}
