//! What the rest of the worker tells of itself, in the shapes that Celery's tools expect.

use serde_json::{Map, Value, json};

/// A task that the worker can run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskCard {
    /// Its name.
    pub name: String,
    /// Its options by Celery's names, `max_retries` for one, as Python shows their values; those that it has.
    pub options: Vec<(&'static str, String)>,
}

/// A queue that the worker consumes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueueCard {
    /// Its name.
    pub name: String,
    /// The exchange that it is bound to.
    pub exchange: String,
    /// The type of that exchange.
    pub exchange_type: String,
    /// The key that it is bound by.
    pub routing_key: String,
    /// The arguments that it was declared with, where they are known.
    pub arguments: Map<String, Value>,
}

/// The pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolCard {
    /// Which one, as `postrider:async`.
    pub implementation: String,
    /// How many tasks may run at once.
    pub places: usize,
    /// The hard and the soft time limit of the worker, in seconds; 0 for none.
    pub timeouts: [u64; 2],
    /// The bounds that it keeps by itself, if it does.
    pub autoscaler: Option<Bounds>,
}

/// The bounds of a pool that grows and shrinks by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub max: usize,
    pub min: usize,
    /// How many places there are now.
    pub current: usize,
    /// How many tasks there are to run now.
    pub wanted: usize,
}

/// The broker that the worker is connected to.
pub(crate) use postrider_core::broker::Address as BrokerCard;

impl TaskCard {
    /// The name, and those of these options that it has.
    pub(super) fn shown(&self, items: &[&str]) -> String {
        let value = |item: &&str| match self.options.iter().find(|(name, _)| name == item) {
            _ if *item == "name" => Some(format!("name={}", self.name)),
            Some((name, value)) => Some(format!("{name}={value}")),
            None => None,
        };
        let fields: Vec<String> = items.iter().filter_map(value).collect();
        if fields.is_empty() { self.name.clone() } else { format!("{} [{}]", self.name, fields.join(" ")) }
    }
}

impl QueueCard {
    /// As kombu shows a queue.
    pub(super) fn value(&self) -> Value {
        let arguments =
            if self.arguments.is_empty() { Value::Null } else { Value::Object(self.arguments.clone()) };
        let argument = |name: &str| self.arguments.get(name).cloned().unwrap_or_default();
        json!({
            "name": self.name,
            "exchange": {
                "name": self.exchange,
                "type": self.exchange_type,
                "arguments": null,
                "durable": true,
                "passive": false,
                "auto_delete": false,
                "delivery_mode": null,
                "no_declare": false,
            },
            "routing_key": self.routing_key,
            "queue_arguments": arguments,
            "binding_arguments": null,
            "consumer_arguments": null,
            "durable": true,
            "exclusive": false,
            "auto_delete": false,
            "no_ack": false,
            "alias": null,
            "bindings": [],
            "no_declare": null,
            "expires": null,
            "message_ttl": null,
            "max_length": null,
            "max_length_bytes": null,
            "max_priority": argument("x-max-priority"),
        })
    }
}

impl PoolCard {
    /// As Celery shows a pool of processes, of which there is one here.
    pub(super) fn value(&self, started: u64, active: usize) -> Value {
        json!({
            "implementation": self.implementation,
            "max-concurrency": self.places,
            "processes": [std::process::id()],
            "max-tasks-per-child": "N/A",
            "put-guarded-by-semaphore": true,
            "timeouts": self.timeouts,
            "writes": {
                "total": started,
                "avg": if started > 0 { "1.00" } else { "0.00" },
                "all": if started > 0 { "1.00" } else { "" },
                "raw": if started > 0 { started.to_string() } else { String::new() },
                "strategy": "fair",
                "inqueues": {"total": 1, "active": usize::from(active > 0)},
            },
        })
    }
}

impl Bounds {
    pub(super) fn value(self) -> Value {
        json!({"max": self.max, "min": self.min, "current": self.current, "qty": self.wanted})
    }
}

/// As kombu shows a connection.
pub(super) fn broker(address: &BrokerCard) -> Value {
    json!({
        "hostname": address.host,
        "userid": address.user,
        "virtual_host": address.vhost,
        "port": address.port,
        "insist": false,
        "ssl": address.tls,
        "transport": "amqp",
        "connect_timeout": address.connect_timeout.as_secs(),
        "transport_options": {},
        "login_method": "PLAIN",
        "uri_prefix": null,
        "heartbeat": address.heartbeat.as_secs_f64(),
        "failover_strategy": "round-robin",
        "alternates": [],
        "credential_provider": null,
    })
}
