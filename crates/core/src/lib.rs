//! What the producer and the worker share: the task contract, Celery's envelope, the broker, the throttle and the
//! codes, and the small leaves both binaries are built from (configuration, logs, metrics, shutdown).
//!
//! `crates/README.md` is the map. Nothing here knows HTTP or a provider.

pub mod backends;
pub mod broker;
pub mod canvas;
pub mod captchas;
pub mod celery;
pub mod clock;
pub mod code;
pub mod codes;
pub mod config;
pub mod django_codes;
pub mod issuance;
pub mod metrics;
pub mod notify;
pub mod phone;
pub mod producer;
pub mod redis;
pub mod remote;
pub mod results;
pub mod routes;
pub mod seal;
pub mod shutdown;
pub mod task;
pub mod tasks;
pub mod telemetry;
pub mod throttle;
pub mod verification;
