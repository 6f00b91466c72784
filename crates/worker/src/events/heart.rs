//! A node's presence: `worker-online`, a heartbeat every two seconds, `worker-offline`.
//!
//! Others count a node as gone when they have heard nothing for twice the time that it says it beats in.

use std::time::Duration;

use postrider_core::broker::Announcer;
use postrider_core::celery::event::{Event, Field, single};

use super::Events;
use crate::stats::Stats;
use crate::tracker::Tracker;

/// How this program calls itself to tools. Celery's workers say `py-celery`; a fleet of both can be told apart by it.
const IDENTITY: &str = "postrider";

/// Says how the worker is.
#[derive(Debug, Clone)]
pub(crate) struct Heart {
    pub(crate) events: Events,
    pub(crate) tracker: Tracker,
    pub(crate) stats: Stats,
    pub(crate) announcer: Announcer,
    /// The exchange of events.
    pub(crate) exchange: String,
    /// The time between two heartbeats; none are sent without it.
    pub(crate) every: Option<Duration>,
}

impl Heart {
    /// The worker is here, for the first time or again.
    pub(crate) fn online(&self) {
        if self.every.is_some() {
            self.events.look_at_the_time_zone();
            self.beat("worker-online");
        }
    }

    /// The worker is leaving.
    pub(crate) fn offline(&self) {
        if self.every.is_some() {
            self.beat("worker-offline");
        }
    }

    /// The worker is alive: said at once, because a client asks for it.
    pub(crate) fn now(&self) {
        self.beat("worker-heartbeat");
    }

    /// Answers an election, which else would never end.
    pub(crate) fn acknowledge_election(&self, id: &str) {
        self.say("worker-elect-ack", &[("id", Field::Text(id))]);
    }

    /// Beats for as long as it is awaited.
    pub(crate) async fn run(&self) {
        let Some(every) = self.every else { return std::future::pending().await };
        let mut tick = tokio::time::interval(every);
        // The first tick is at once, and so is `online`.
        tick.tick().await;
        loop {
            tick.tick().await;
            // Nothing is kept for a connection that is down: an old heartbeat is a lie.
            if self.announcer.is_live() {
                self.events.look_at_the_time_zone();
                self.beat("worker-heartbeat");
            }
        }
    }

    fn beat(&self, kind: &str) {
        let fields = [
            ("freq", Field::Float(self.every.unwrap_or(Duration::from_secs(5)).as_secs_f64())),
            ("active", Field::Number(self.tracker.active_count() as u64)),
            ("processed", Field::Number(self.stats.processed())),
            ("loadavg", Field::Load(load_average())),
            ("sw_ident", Field::Text(IDENTITY)),
            ("sw_ver", Field::Text(env!("CARGO_PKG_VERSION"))),
            ("sw_sys", Field::Text("Linux")),
        ];
        self.say(kind, &fields);
    }

    fn say(&self, kind: &str, fields: &[(&'static str, Field<'_>)]) {
        let message = single(&self.events.0.speaker, self.events.write(kind, fields));
        if !self.announcer.announce(&self.exchange, &Event::routing_key(kind), message) {
            tracing::debug!(event = kind, "an event of this worker was dropped");
        }
    }
}

/// The machine's load over one, five and fifteen minutes.
fn load_average() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut loads = text.split(' ').map(|load| load.parse().unwrap_or(0.0));
    std::array::from_fn(|_| loads.next().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_three_numbers() {
        assert!(load_average().iter().all(|load| *load >= 0.0));
    }
}
