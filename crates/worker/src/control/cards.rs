//! What the rest of the worker tells of itself, in the shapes that Celery's tools expect.

use std::time::Duration;

use postrider_core::broker::message::Value as Argument;
use postrider_core::broker::topology::{QueueSpec, Topology};
use postrider_core::task::TaskOptions;
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
    /// A task with the options that its type gives it.
    pub(crate) fn of(name: &str, options: &TaskOptions) -> Self {
        let truth = |value: bool| if value { "True" } else { "False" }.to_owned();
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs().to_string());
        let max_retries = match options.retry.retries() {
            u32::MAX => None,
            retries => Some(retries.to_string()),
        };
        let options = [
            ("max_retries", max_retries),
            ("rate_limit", options.rate_limit.map(str::to_owned)),
            ("time_limit", seconds(options.time_limit)),
            ("soft_time_limit", seconds(options.soft_time_limit)),
            ("acks_late", Some(truth(options.acks_late))),
            ("ignore_result", Some(truth(options.ignore_result))),
            ("serializer", Some("json".into())),
        ];
        let options = options.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Self { name: name.to_owned(), options }
    }

    /// Another value of an option; `None`, as Python writes it, for none.
    pub(crate) fn set(&mut self, option: &'static str, value: &str) {
        self.options.retain(|(name, _)| *name != option);
        if value != "None" {
            self.options.push((option, value.to_owned()));
        }
    }

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
    pub(crate) fn of(spec: &QueueSpec) -> Self {
        let bound = spec.bindings.first();
        let declared =
            Topology::default().queue(spec).queues.into_iter().find(|queue| queue.name == spec.name);
        let arguments = declared.map(|queue| queue.arguments).unwrap_or_default();
        let value = |value: &Argument| match value {
            Argument::Bool(value) => (*value).into(),
            value => value.as_str().map_or_else(|| value.as_i64().into(), Value::from),
        };
        Self {
            name: spec.name.clone(),
            exchange: bound.map_or(&spec.name, |bound| &bound.exchange).clone(),
            exchange_type: bound.map_or("direct", |bound| bound.kind.name()).into(),
            routing_key: bound.map_or(&spec.name, |bound| &bound.key).clone(),
            arguments: arguments.iter().map(|(name, argument)| (name.clone(), value(argument))).collect(),
        }
    }

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
