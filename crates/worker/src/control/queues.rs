//! Commands that change what the worker consumes.

use postrider_core::broker::topology::{ExchangeKind, QueueType};
use postrider_core::celery::repr::literal;
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
        let (exchange, routing_key) = (text("exchange"), text("routing_key"));
        let exchange_type = exchange_type(arguments)?;
        let (kind, max_priority) = made(arguments)?;
        tracing::info!(queue.name = %queue, "a queue is consumed by remote control");
        self.controls.add_consumer(NewConsumer {
            queue: queue.clone(),
            // Celery's clients say "direct" of a queue that they only name, which needs no exchange to be reached by.
            exchange_type: exchange_type
                .filter(|kind| *kind != ExchangeKind::Direct || exchange.is_some() || routing_key.is_some()),
            exchange,
            routing_key,
            kind,
            max_priority,
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

/// How the exchange routes, if anything is said. Another type would be another exchange: it is not replaced by one.
fn exchange_type(arguments: &Map<String, Value>) -> Result<Option<ExchangeKind>, Raised> {
    let given = arguments.get("exchange_type").filter(|given| !given.is_null() && **given != "");
    let read = |given: &Value| {
        serde_json::from_value(given.clone()).map_err(|_| {
            Raised::value_error(&format!(
                "exchange_type is direct, topic, fanout or headers, not {}",
                literal(given)
            ))
        })
    };
    given.map(read).transpose()
}

/// What kombu's `Queue` takes that changes which messages are kept. A queue that is there already is taken as it is.
const NOT_MADE: [&str; 4] = ["expires", "message_ttl", "max_length", "max_length_bytes"];

/// How the queue keeps messages and the highest priority in it, where it has to be created.
fn made(arguments: &Map<String, Value>) -> Result<(QueueType, Option<u8>), Raised> {
    let (mut kind, mut max_priority) = (QueueType::Classic, None);
    let of_queue = arguments.get("queue_arguments").and_then(Value::as_object).into_iter().flatten();
    let of_kombu =
        arguments.iter().filter(|(name, _)| *name == "max_priority" || NOT_MADE.contains(&name.as_str()));
    for (name, value) in of_kombu.chain(of_queue).filter(|(_, value)| !value.is_null()) {
        let known = match name.as_str() {
            "x-queue-type" => serde_json::from_value(value.clone()).map(|given| kind = given).is_ok(),
            "x-max-priority" | "max_priority" => {
                max_priority = value.as_u64().and_then(|highest| u8::try_from(highest).ok());
                max_priority.is_some()
            }
            _ => false,
        };
        if !known {
            return Err(Raised::value_error(&format!(
                "this worker makes no queue with {name} {value}: declare the queue first, and add it by its name"
            )));
        }
    }
    Ok((kind, max_priority))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made_of(arguments: Value) -> Result<(QueueType, Option<u8>), String> {
        let Value::Object(arguments) = arguments else { unreachable!("a test gives an object") };
        made(&arguments).map_err(|raised| raised.repr())
    }

    #[test]
    fn a_queue_is_made_as_it_is_described_or_not_at_all() {
        assert_eq!(made_of(json!({"queue": "q", "durable": true})), Ok((QueueType::Classic, None)));
        assert_eq!(made_of(json!({"max_priority": null})), Ok((QueueType::Classic, None)));
        assert_eq!(made_of(json!({"max_priority": 9})), Ok((QueueType::Classic, Some(9))));
        assert_eq!(
            made_of(json!({"queue_arguments": {"x-queue-type": "quorum"}})),
            Ok((QueueType::Quorum, None))
        );
        assert_eq!(
            made_of(json!({"queue_arguments": {"x-max-priority": 255}})),
            Ok((QueueType::Classic, Some(255)))
        );
        for refused in [
            json!({"queue_arguments": {"x-message-ttl": 1000}}),
            json!({"queue_arguments": {"x-queue-type": "stream"}}),
            json!({"queue_arguments": {"x-max-priority": 256}}),
            json!({"message_ttl": 1}),
        ] {
            let said = made_of(refused).unwrap_err();
            assert!(said.starts_with("ValueError(") && said.contains("declare the queue first"), "{said}");
        }
    }
}
