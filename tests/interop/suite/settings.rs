//! What the worker is told, all of it through the environment, as Celery's integration tests are.

use std::env;

use serde_json::{Map, Value, json};

/// What the worker is told.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `TEST_BROKER`: the broker.
    pub(crate) broker: String,
    /// `TEST_BACKEND`: where results go.
    pub(crate) backend: String,
    /// `REDIS_HOST` and `REDIS_PORT`: the server that some tasks write to.
    pub(crate) redis: String,
    /// `SUITE_NODE`: its name.
    pub(crate) node: String,
    /// `SUITE_QUEUES`: what it consumes, with commas between.
    pub(crate) queues: Vec<String>,
    /// `SUITE_QUORUM`: whether missing queues are made as quorum queues.
    pub(crate) quorum: bool,
    /// `SUITE_CONCURRENCY`: how many tasks run at once.
    pub(crate) concurrency: usize,
    /// `SUITE_TELLS`: the Redis list that hears of each task before it runs.
    pub(crate) tells: Option<String>,
    /// `SUITE_LOG`: the least level that is logged.
    pub(crate) log: String,
}

impl Settings {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let text = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
        // Celery writes the scheme of its own client, and leaves out what is the default.
        let broker = text("TEST_BROKER", "pyamqp://").replacen("pyamqp://", "amqp://", 1);
        let broker =
            if broker == "amqp://" { "amqp://guest:guest@127.0.0.1:5672/%2f".into() } else { broker };
        let redis = format!("redis://{}:{}/0", text("REDIS_HOST", "127.0.0.1"), text("REDIS_PORT", "6379"));
        let backend = text("TEST_BACKEND", "redis://");
        Ok(Self {
            broker,
            backend: if backend == "redis://" { redis.clone() } else { backend },
            redis,
            node: text("SUITE_NODE", "suite@localhost"),
            queues: text("SUITE_QUEUES", "celery").split(',').map(str::to_owned).collect(),
            quorum: env::var("SUITE_QUORUM").is_ok(),
            concurrency: text("SUITE_CONCURRENCY", "1").parse()?,
            tells: env::var("SUITE_TELLS").ok(),
            log: text("SUITE_LOG", "info"),
        })
    }

    /// What `inspect conf` shows: the settings that Celery's test app has beside the defaults.
    pub(crate) fn shown(&self) -> Map<String, Value> {
        let Value::Object(shown) = json!({
            "broker_url": "amqp://guest:********@localhost:5672//",
            "result_backend": self.backend,
            "result_extended": true,
            "accept_content": ["json"],
            "enable_utc": true,
            "timezone": "UTC",
            "broker_heartbeat": 10,
            "worker_hijack_root_logger": false,
            "worker_log_color": false,
            "worker_concurrency": self.concurrency,
            "include": [],
            "deprecated_settings": null,
        }) else {
            unreachable!("it is written as an object")
        };
        shown
    }
}
