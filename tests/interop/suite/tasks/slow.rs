//! Tasks that take their time.

use std::time::Duration;

use postrider_core::task::{Registry, TaskError, TaskResult};
use serde_json::Value;

use super::numbers::sum;
use crate::declare::{Services, raise, task};

task!(DelayedSum = "t.integration.tasks.delayed_sum", {
    numbers: Vec<Value>,
    #[serde(default = "one")] pause_time: f64,
} |task, _, _| {
    tokio::time::sleep(pause(task.pause_time)?).await;
    sum(task.numbers)
});

task!(DelayedSumGuarded = "t.integration.tasks.delayed_sum_with_soft_guard", {
    numbers: Vec<Value>,
    #[serde(default = "one")] pause_time: f64,
} |task, _, context| {
    tokio::select! {
        () = tokio::time::sleep(pause(task.pause_time)?) => sum(task.numbers),
        () = context.soft_limit() => Ok(0.into()),
    }
});

task!(Sleeping = "t.integration.tasks.sleeping", { i: f64 } |task, _, _| {
    tokio::time::sleep(pause(task.i)?).await;
    Ok(Value::Null)
});

pub(super) fn add_to(registry: Registry<Services>) -> Registry<Services> {
    registry.register::<DelayedSum>().register::<DelayedSumGuarded>().register::<Sleeping>()
}

fn one() -> f64 {
    1.0
}

fn pause(seconds: f64) -> TaskResult<Duration> {
    let unusable = |_| -> TaskError { raise("ValueError", "sleep length must be non-negative") };
    Duration::try_from_secs_f64(seconds).map_err(unusable)
}
