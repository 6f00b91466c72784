//! The task that does nothing, and its message as a Python producer's `noop.delay()` writes it.

use postrider_core::broker::message::{Message, Value};
use postrider_core::celery::{Arguments, TaskHeaders};
use postrider_core::task::Task;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A call without arguments.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Noop {}

impl Task for Noop {
    const NAME: &'static str = "bench.noop";
    const SENSITIVE: bool = false;
}

/// One call, with the properties and headers of `tests/fixtures/celery/task-delay.json`.
pub(crate) fn message() -> anyhow::Result<Message> {
    let id = Uuid::new_v4().to_string();
    let headers = TaskHeaders { task: Noop::NAME.into(), id, retries: 0, eta: None, expires: None };
    let mut message = headers.write("gen1@bench", None, Arguments::of(&Noop {})?.write());
    message.headers.insert("lang".into(), Value::from("py"));
    Ok(message)
}
