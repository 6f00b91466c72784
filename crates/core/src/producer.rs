//! Enqueues calls of tasks: the envelope around a payload, and the way into its queue.

use jiff::Timestamp;
use uuid::Uuid;

use crate::broker::message::Value;
use crate::broker::{Broker, PublishError};
use crate::celery::{Arguments, TaskHeaders};
use crate::clock::Clock;
use crate::task::{Signature, Task};

/// The header with the version of a payload. A worker that knows only an older one lets the message wait.
pub const VERSION_HEADER: &str = "postrider-version";
/// The version that is written.
pub const VERSION: i32 = 1;

/// Enqueues tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Producer {
    broker: Broker,
    clock: Clock,
    origin: String,
}

/// Why a task was not enqueued, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The payload has no JSON form.
    #[error("the payload has no JSON form: {0}")]
    Payload(#[from] serde_json::Error),
    /// The broker did not take it, or did not say.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Producer {
    /// Enqueues on `broker`; `name` is shown as the tasks' origin.
    pub fn new(broker: Broker, clock: Clock, name: &str) -> Self {
        Self { broker, clock, origin: format!("{name}@{}", std::process::id()) }
    }

    /// Enqueues a call and waits until the broker has it. Returns the task id.
    pub async fn enqueue<T: Task>(&self, call: impl Into<Signature<T>>) -> Result<String, EnqueueError> {
        let Signature { payload, id, queue, countdown, expires } = call.into();
        let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let eta: Option<Timestamp> = countdown.and_then(|delay| self.clock.now().checked_add(delay).ok());
        let headers = TaskHeaders { task: T::NAME.into(), id: id.clone(), retries: 0, eta, expires };
        let arguments = Arguments::of(&payload)?;
        // What tools show as the arguments: for sensitive tasks that there are some.
        let (args, kwargs) = if T::SENSITIVE {
            ("('***',)".to_owned(), "{'***': '***'}".to_owned())
        } else {
            (serde_json::to_string(&arguments.args)?, serde_json::to_string(&arguments.kwargs)?)
        };
        let mut message = headers.write(&self.origin, Some((&args, &kwargs)), arguments.write());
        message.headers.insert(VERSION_HEADER.into(), Value::I32(VERSION));
        let queue = queue.as_deref().unwrap_or(T::QUEUE);
        match countdown {
            Some(delay) => self.broker.publish_after(queue, delay, message).await?,
            None => self.broker.publish(queue, message).await?,
        }
        Ok(id)
    }
}
