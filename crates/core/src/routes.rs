//! Which queue a task goes to, by its name: Celery's `task_routes`.
//!
//! A name that stands there as it is comes before the patterns, and of two patterns the first one counts. Who enqueues
//! may name a queue, which comes before all routes.

use serde::{Deserialize, Serialize};

use crate::celery::control::matcher::Matcher;

/// Routes of tasks to queues and exchanges.
#[derive(Debug, Default)]
pub struct Routes {
    names: Vec<Route>,
    patterns: Vec<(Matcher, Route)>,
}

/// One route, as a configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The task's name, or a pattern with `*` in it, in which `?` and `[abc]` count too.
    pub task: String,
    /// The queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// An exchange, which comes before the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// The routing key on that exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<String>,
    /// The priority of calls that say none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

impl Route {
    /// From a task to a queue.
    pub fn to_queue(task: impl Into<String>, queue: impl Into<String>) -> Self {
        Self { task: task.into(), queue: Some(queue.into()), ..Self::default() }
    }
}

impl Routes {
    /// Reads routes; the first one that fits a task counts.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut read = Self::default();
        for route in routes {
            // As in Celery, the star alone makes a pattern of it.
            match route.task.contains('*').then(|| Matcher::new(&route.task, "glob")).flatten() {
                Some(pattern) => read.patterns.push((pattern, route)),
                None => read.names.push(route),
            }
        }
        read
    }

    /// The route of a task, if it has one.
    pub fn of(&self, task: &str) -> Option<&Route> {
        let named = self.names.iter().find(|route| route.task == task);
        let fits = || self.patterns.iter().find(|(pattern, _)| pattern.matches(task)).map(|(_, route)| route);
        named.or_else(fits)
    }

    /// The queue of a task; `None` where the task's own is to be taken.
    pub fn queue(&self, task: &str) -> Option<&str> {
        self.of(task)?.queue.as_deref()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.patterns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_before_the_patterns_and_the_first_pattern_before_the_others() {
        let routes = [
            ("feed.*", "feeds"),
            ("*.urgent", "urgent"),
            ("feed.import", "imports"),
            ("web[0-9]*", "web"),
            ("web?", "literal"),
        ];
        let routes = Routes::new(routes.map(|(task, queue)| Route::to_queue(task, queue)));

        for (task, queue) in [
            ("feed.import", Some("imports")),
            ("feed.urgent", Some("feeds")),
            ("shop.urgent", Some("urgent")),
            ("web1.get", Some("web")),
            ("webx", None),
            ("web?", Some("literal")),
            ("Feed.x", None),
            ("feed", None),
        ] {
            assert_eq!(routes.queue(task), queue, "{task}");
        }
    }
}
