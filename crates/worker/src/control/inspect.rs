//! Commands that tell what is here.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::celery::format_instant;
use serde_json::{Map, Value, json};

use super::cards::QueueCard;
use super::panel::Panel;
use crate::stats::usage;
use crate::tracker::Tracked;

/// What Celery shows of a task that has it, unless a client asks for something else.
const TASK_INFO: [&str; 3] = ["exchange", "routing_key", "rate_limit"];
/// The priority that Celery's timer gives every entry.
const TIMER_PRIORITY: u8 = 6;
/// The uptime is rounded.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

impl Panel {
    pub(super) fn active(&self, safe: bool) -> Value {
        self.requests(safe, Tracked::is_active).into()
    }

    /// What was taken and has not begun, and what waits for its place. What lies in the connection still is not seen.
    pub(super) fn reserved(&self) -> Value {
        let waiting = self.controls.waiting();
        let waiting = waiting.iter().map(|tracked| Value::from(tracked.info(&self.node, false)));
        self.requests(false, |tracked| !tracked.is_active()).into_iter().chain(waiting).collect()
    }

    /// What passed through this worker and waits for its time; it holds none of it.
    pub(super) fn scheduled(&self) -> Value {
        let scheduled = self.observer.tracker.scheduled(self.observer.clock.now());
        let entry = |(eta, tracked): (_, Arc<Tracked>)| {
            let request = tracked.info(&self.node, false);
            json!({"eta": format_instant(eta), "priority": TIMER_PRIORITY, "request": request})
        };
        scheduled.into_iter().map(entry).collect()
    }

    pub(super) fn query_task(&self, ids: &[String]) -> Value {
        let mut found = Map::new();
        let mut add = |state: &str, tracked: &Tracked| {
            if ids.contains(&tracked.id) {
                found.insert(tracked.id.clone(), json!([state, tracked.info(&self.node, false)]));
            }
        };
        for (_, tracked) in self.observer.tracker.scheduled(self.observer.clock.now()) {
            add("scheduled", &tracked);
        }
        for tracked in self.controls.waiting() {
            add("reserved", &tracked);
        }
        for tracked in self.observer.tracker.held() {
            add(if tracked.is_active() { "active" } else { "reserved" }, &tracked);
        }
        found.into()
    }

    pub(super) fn registered(&self, items: Option<&Value>, builtins: bool) -> Value {
        let asked = items.and_then(Value::as_array).filter(|items| !items.is_empty());
        let items: Vec<&str> = match asked {
            Some(items) => {
                items.iter().filter_map(Value::as_str).filter(|item| !item.starts_with('_')).collect()
            }
            None => TASK_INFO.to_vec(),
        };
        let tasks = self.controls.tasks();
        let shown = tasks.iter().filter(|task| builtins || !task.name.starts_with("celery."));
        shown.map(|task| Value::from(task.shown(&items))).collect()
    }

    pub(super) fn active_queues(&self) -> Value {
        self.controls.queues().iter().map(QueueCard::value).collect()
    }

    pub(super) fn stats(&self) -> Value {
        let stats = &self.observer.stats;
        let pool = self.controls.pool();
        let mut told = json!({
            "total": stats.totals(),
            "pid": std::process::id(),
            "clock": self.lamport.value().to_string(),
            "uptime": (stats.uptime() + HALF_A_SECOND).as_secs(),
            "pool": pool.value(stats.processed(), self.observer.tracker.active_count()),
        });
        let map = told.as_object_mut().expect("it is written as an object");
        if let Some(bounds) = pool.autoscaler {
            map.insert("autoscaler".into(), bounds.value());
        }
        map.insert(
            "broker".into(),
            self.controls.broker().map_or("N/A".into(), |broker| super::cards::broker(&broker)),
        );
        map.insert("prefetch_count".into(), self.controls.prefetch().into());
        map.insert("rusage".into(), usage());
        told
    }

    fn requests(&self, safe: bool, shown: impl Fn(&Tracked) -> bool) -> Vec<Value> {
        let held = self.observer.tracker.held();
        let shown = held.iter().filter(|tracked| shown(tracked));
        shown.map(|tracked| tracked.info(&self.node, safe).into()).collect()
    }
}
