//! Commands that tell how the worker is set up.

use std::fmt::Write as _;

use postrider_core::celery::repr::literal;
use serde_json::{Map, Value, json};

use super::panel::Panel;

/// The version of Celery whose worker this one takes the place of.
const CELERY: &str = "5.7.0";

impl Panel {
    /// The settings that say something; with the defaults, also what other workers of Celery's have by default and
    /// tools look for.
    pub(super) fn conf(&self, with_defaults: bool) -> Value {
        let mut settings = if with_defaults { defaults() } else { Map::new() };
        settings.extend(self.settings());
        settings.into()
    }

    /// What somebody is asked for who reports a mistake.
    pub(super) fn report(&self) -> String {
        let settings = self.settings();
        let results = settings.get("result_backend").and_then(Value::as_str).unwrap_or("disabled").to_owned();
        let mut report = format!(
            "\nsoftware -> celery:{CELERY} (protocol) postrider:{version}\nplatform -> system:Linux arch:{arch}\n            \
             kernel version:{kernel} imp:Rust\nsettings -> transport:{transport} results:{results}\n\n",
            version = env!("CARGO_PKG_VERSION"),
            arch = std::env::consts::ARCH,
            kernel = kernel(),
            transport = if self.controls.broker().is_some() { "amqp" } else { "memory" },
        );
        for (name, value) in &settings {
            writeln!(report, "{name}: {}", literal(value)).expect("a text takes all");
        }
        report
    }

    fn settings(&self) -> Map<String, Value> {
        let fixed = json!({
            "accept_content": ["json", "msgpack"],
            "enable_utc": true,
            "timezone": null,
            "include": [],
            "deprecated_settings": null,
            "worker_hijack_root_logger": false,
            "worker_log_color": false,
            "worker_send_task_events": self.observer.events.on(),
        });
        let Value::Object(mut settings) = fixed else { unreachable!("it is written as an object") };
        settings.extend(self.controls.settings());
        if let Some(broker) = self.controls.broker() {
            settings.insert("broker_url".into(), broker.masked().into());
            settings.insert("broker_heartbeat".into(), broker.heartbeat.as_secs().into());
        }
        settings
    }
}

fn defaults() -> Map<String, Value> {
    let defaults = json!({
        "control_exchange": "celery",
        "control_queue_exclusive": true,
        "control_queue_durable": false,
        "control_queue_expires": 10.0,
        "control_queue_ttl": 300.0,
        "event_exchange": "celeryev",
        "event_serializer": "json",
        "result_backend": null,
        "result_expires": 86400,
        "result_extended": false,
        "result_serializer": "json",
        "task_acks_late": true,
        "task_default_exchange": "celery",
        "task_default_queue": "celery",
        "task_default_routing_key": "celery",
        "task_serializer": "json",
        "task_time_limit": null,
        "task_soft_time_limit": null,
        "task_track_started": false,
        "worker_enable_remote_control": true,
        "worker_pool_restarts": false,
        "worker_proc_alive_timeout": null,
    });
    let Value::Object(defaults) = defaults else { unreachable!("it is written as an object") };
    defaults
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}
