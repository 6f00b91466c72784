//! Commands that change what the worker consumes.

use serde_json::{Map, Value};

use super::controls::NewConsumer;
use super::panel::Panel;
use super::raised::{Raised, ok};

impl Panel {
    pub(super) fn add_consumer(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let text = |name: &str| {
            let text = arguments.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let queue = queue(arguments)?;
        tracing::info!(queue.name = %queue, "a queue is consumed by remote control");
        self.controls.add_consumer(NewConsumer {
            queue: queue.clone(),
            exchange: text("exchange"),
            exchange_type: text("exchange_type").unwrap_or_else(|| "direct".into()),
            routing_key: text("routing_key"),
        });
        Ok(ok(format!("add consumer {queue}")))
    }

    pub(super) fn cancel_consumer(&self, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        let queue = queue(arguments)?;
        tracing::info!(queue.name = %queue, "a queue is no longer consumed, by remote control");
        self.controls.cancel_consumer(&queue);
        Ok(ok(format!("no longer consuming from {queue}")))
    }
}

fn queue(arguments: &Map<String, Value>) -> Result<String, Raised> {
    let name = arguments["queue"].as_str().filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| Raised::type_error("the name of a queue must be a text"))
}
