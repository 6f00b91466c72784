//! Finds what a request asks for and does it.

use std::sync::Arc;

use postrider_core::celery::control::Request;
use serde_json::{Map, Value, json};

use super::controls::Controls;
use super::raised::{Raised, nok, ok};
use super::{debugging, signature};
use crate::events::{Heart, Mode};
use crate::lamport::Lamport;
use crate::observer::Observer;

/// What a command needs.
pub(super) struct Panel {
    /// This worker's name.
    pub(super) node: String,
    pub(super) observer: Observer,
    pub(super) lamport: Lamport,
    pub(super) heart: Heart,
    pub(super) controls: Arc<dyn Controls>,
}

impl Panel {
    /// Does what a request asks for. `None` where nothing is to be answered: Celery's worker is gone by then.
    pub(super) async fn obey(&self, request: &Request) -> Option<Value> {
        let Request { method, arguments, .. } = request;
        tracing::debug!(method = %method, "remote control");
        let done = match signature::find(method, arguments) {
            Ok(signature) if signature.name == "shutdown" => {
                tracing::warn!("stopping: asked to by remote control");
                self.controls.shut_down();
                return None;
            }
            Ok(signature) => self.run(signature.name, arguments).await,
            Err(raised) => Err(raised),
        };
        Some(done.unwrap_or_else(|raised| {
            let error = raised.repr();
            tracing::warn!(method = %method, %error, "a request of remote control went wrong");
            nok(error)
        }))
    }

    async fn run(&self, name: &str, arguments: &Map<String, Value>) -> Result<Value, Raised> {
        Ok(match name {
            "ping" => ok("pong"),
            "clock" => json!({"clock": self.lamport.value()}),
            "active" => self.active(truth(arguments.get("safe"))),
            "reserved" => self.reserved(),
            "scheduled" => self.scheduled(),
            "revoked" => self.observer.revoked.ids().into(),
            "query_task" => self.query_task(&names(&arguments["ids"])),
            "registered" => self.registered(arguments.get("taskinfoitems"), truth(arguments.get("builtins"))),
            "active_queues" => self.active_queues(),
            "stats" => self.stats(),
            "conf" => self.conf(truth(arguments.get("with_defaults"))),
            "report" => ok(self.report()),
            "hello" => self.hello(&arguments["from_node"], arguments.get("revoked")),
            "memsample" => debugging::memory().into(),
            "memdump" => format!("- rss (end): {}.\n", debugging::memory()).into(),
            "objgraph" => return Err(Raised::import_error("Requires the objgraph library")),

            "revoke" => return self.revoke(arguments).await,
            "terminate" => return self.terminate(arguments).await,
            "revoke_by_stamped_headers" => return self.revoke_by_stamped_headers(arguments),
            "rate_limit" => return self.rate_limit(arguments),
            "time_limit" => return self.time_limit(arguments),

            "pool_grow" => return self.pool_grow(arguments),
            "pool_shrink" => return self.pool_shrink(arguments),
            "autoscale" => return self.autoscale(arguments),
            "pool_restart" => return Err(Raised::value_error("Pool restarts not enabled")),
            "add_consumer" => return self.add_consumer(arguments),
            "cancel_consumer" => return self.cancel_consumer(arguments),

            "enable_events" => self.switch_events(true),
            "disable_events" => self.switch_events(false),
            "heartbeat" => {
                self.heart.now();
                Value::Null
            }
            // An election is answered, never begun: on a lone Celery worker it ends the process.
            "election" => Value::Null,
            other => return Err(Raised::key_error(other)),
        })
    }

    fn switch_events(&self, on: bool) -> Value {
        let events = &self.observer.events;
        let (already, word) = match (events.mode(), on) {
            (Mode::Never, _) => return nok("event dispatcher unavailable"),
            (Mode::Always | Mode::On, true) => (true, "enabled"),
            (Mode::Always | Mode::Off, false) => (true, "disabled"),
            (Mode::Off, true) => (false, "enabled"),
            (Mode::On, false) => (false, "disabled"),
        };
        events.switch(on);
        let already = if already { "already " } else { "" };
        ok(format!("task events {already}{word}"))
    }

    fn hello(&self, from: &Value, revoked: Option<&Value>) -> Value {
        if from.as_str() == Some(&self.node) {
            return Value::Null;
        }
        tracing::info!(from = %from.as_str().unwrap_or_default(), "in step with another worker");
        self.observer.revoked.add(revoked.map(names).unwrap_or_default());
        json!({"revoked": self.observer.revoked.ids(), "clock": self.lamport.forward()})
    }
}

/// What Python takes for true.
pub(super) fn truth(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(values)) => !values.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
    }
}

/// One name, a list of names, or a map by name, as older releases send revoked ids. A name is there once.
pub(super) fn names(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut names: Vec<String> = match value {
        Value::String(name) => vec![name.clone()],
        Value::Array(values) => values.iter().filter_map(text).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
