//! A queue that other workers serve too: it is not consumed from while one of them has tasks that this one lacks.
//!
//! RabbitMQ hands a message to whichever consumer is next. On a shared queue a task that is not registered here would
//! find its way to `<queue>.unclaimed` instead of to the worker that can run it. So before it consumes another program's
//! queue the worker asks all nodes what they consume and what they have (Celery's `inspect active_queues` and
//! `inspect registered`), and again every minute.
//!
//! Nobody may answer: no other worker is there, or remote control is closed to this user. Then the queue is consumed, and
//! what is not ours is forwarded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postrider_core::broker::Consumers;
use postrider_core::remote::Remote;
use postrider_core::shutdown::Shutdown;
use rand::RngExt as _;

/// How long nodes have for an answer: as long as Celery's tools give them.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the nodes are asked, and up to ten seconds more.
const EVERY: Duration = Duration::from_mins(1);
/// How many missing tasks are named.
const NAMED: usize = 5;

/// What another node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Neighbour {
    pub queues: BTreeSet<String>,
    pub tasks: BTreeSet<String>,
}

/// Watches the queues of other programs.
pub(crate) struct SharedQueues {
    pub remote: Remote,
    /// This worker's own name, and its tasks.
    pub name: String,
    pub tasks: BTreeSet<String>,
    /// The queues that are other programs'. They are withheld until the nodes have been asked.
    pub queues: Vec<String>,
    pub consumers: Consumers,
}

impl SharedQueues {
    /// Begins with the queues that may be consumed, and then ends and begins with them as their other workers change.
    pub(crate) async fn watch(self, shutdown: Shutdown) {
        if self.queues.is_empty() {
            return;
        }
        let (mut refused, mut warned) = (BTreeSet::new(), false);
        loop {
            let Some(neighbours) =
                shutdown.soft().run_until_cancelled(Box::pin(self.neighbours(&mut warned))).await
            else {
                return;
            };
            for queue in &self.queues {
                let lacking = lacking(queue, &neighbours, &self.tasks);
                match &lacking {
                    Some((node, tasks)) if refused.insert(queue) => tell(queue, node, tasks),
                    Some(_) => {}
                    None => {
                        refused.remove(queue);
                    }
                }
                self.consumers.withhold(queue, lacking.is_some()).await;
            }
            // Two workers that give way to each other must not do so in step for ever.
            let wait = EVERY + Duration::from_millis(rand::rng().random_range(0..10_000));
            if shutdown.soft().run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// What the other nodes consume and have.
    async fn neighbours(&self, warned: &mut bool) -> BTreeMap<String, Neighbour> {
        let mut nodes: BTreeMap<String, Neighbour> = BTreeMap::new();
        let (queues, tasks) =
            tokio::join!(self.remote.active_queues(PATIENCE), self.remote.registered(PATIENCE));
        match (queues, tasks) {
            (Ok(queues), Ok(tasks)) => {
                for (node, queues) in queues.nodes {
                    nodes.entry(node).or_default().queues.extend(queues);
                }
                for (node, tasks) in tasks.nodes {
                    nodes.entry(node).or_default().tasks.extend(tasks);
                }
            }
            // Without the right to ask it will be the same every minute.
            (Err(error), _) | (_, Err(error)) if !std::mem::replace(warned, true) => {
                tracing::warn!(%error, "other workers cannot be asked what they serve");
            }
            _ => {}
        }
        nodes.remove(&self.name);
        nodes
    }
}

fn tell(queue: &str, node: &str, tasks: &[&str]) {
    let named: Vec<&str> = tasks.iter().take(NAMED).copied().collect();
    tracing::error!(
        queue.name = %queue, node = %node, tasks = %named.join(","), count = tasks.len(),
        "this queue is not consumed: another worker there has tasks that are not registered here. Give ours a queue of \
         their own"
    );
}

/// A node that consumes the queue and has tasks that are not in `ours`, and these. Celery's own tasks are everywhere.
fn lacking<'a>(
    queue: &str,
    neighbours: &'a BTreeMap<String, Neighbour>,
    ours: &BTreeSet<String>,
) -> Option<(&'a str, Vec<&'a str>)> {
    neighbours.iter().filter(|(_, node)| node.queues.contains(queue)).find_map(|(name, node)| {
        let lacks = |task: &&str| !ours.contains(*task) && !task.starts_with("celery.");
        let lacks: Vec<&str> = node.tasks.iter().map(String::as_str).filter(lacks).collect();
        (!lacks.is_empty()).then_some((name.as_str(), lacks))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_queue_is_refused_while_a_node_on_it_has_tasks_that_are_not_here() {
        let node = |queues, tasks| Neighbour { queues: set(queues), tasks: set(tasks) };
        let nodes = BTreeMap::from([
            ("django@host".to_owned(), node(&["celery"], &["shop.mail", "add", "celery.chord"])),
            ("twin@host".to_owned(), node(&["sms", "celery"], &["add"])),
        ]);

        assert_eq!(lacking("celery", &nodes, &set(&["add"])), Some(("django@host", vec!["shop.mail"])));
        assert_eq!(lacking("celery", &nodes, &set(&["add", "shop.mail"])), None);
        assert_eq!(lacking("sms", &nodes, &set(&["add"])), None);
        assert_eq!(lacking("sms", &nodes, &set(&[])), Some(("twin@host", vec!["add"])));
    }
}
