//! Which queue a task goes to, by its name: Celery's `task_routes`.
//!
//! A name that stands there as it is comes before the patterns, and of two patterns the first one counts. Who enqueues
//! may name a queue, which comes before all routes.

use serde::{Deserialize, Serialize};

use crate::celery::control::matcher::Matcher;

/// Routes of tasks to queues.
#[derive(Debug, Default)]
pub struct Routes {
    names: Vec<(String, String)>,
    patterns: Vec<(Matcher, String)>,
}

/// One route, as a configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The task's name, or a pattern with `*` in it, in which `?` and `[abc]` count too.
    pub task: String,
    /// The queue.
    pub queue: String,
}

impl Routes {
    /// Reads routes; the first one that fits a task counts.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut read = Self::default();
        for Route { task, queue } in routes {
            // As in Celery, the star alone makes a pattern of it.
            match task.contains('*').then(|| Matcher::new(&task, "glob")).flatten() {
                Some(pattern) => read.patterns.push((pattern, queue)),
                None => read.names.push((task, queue)),
            }
        }
        read
    }

    /// The queue of a task; `None` where the task's own is to be taken.
    pub fn queue(&self, task: &str) -> Option<&str> {
        let named = self.names.iter().find(|(name, _)| name == task).map(|(_, queue)| queue);
        let fits = || self.patterns.iter().find(|(pattern, _)| pattern.matches(task)).map(|(_, queue)| queue);
        named.or_else(fits).map(String::as_str)
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
        let routes =
            Routes::new(routes.map(|(task, queue)| Route { task: task.into(), queue: queue.into() }));

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
