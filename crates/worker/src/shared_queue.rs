//! A queue that other workers serve too: it is not consumed from while one of them has tasks that this one lacks.
//!
//! RabbitMQ hands a message to whichever consumer is next. On a shared queue a task that is not registered here would
//! find its way to `<queue>.unclaimed` instead of to the worker that can run it. So before it consumes another program's
//! queue the worker asks all nodes what they consume and what they have (Celery's `inspect active_queues` and
//! `inspect registered`), and again every minute.
//!
//! Nobody may answer: no other worker is there, or remote control is closed to this user. Then the queue is consumed, and
//! what is not ours is forwarded. What could not be found out, because the broker was away or a node said half of it,
//! leaves all as it is.

mod decision;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postrider_core::broker::{Consumers, InquiryError};
use postrider_core::remote::{Remote, Told};
use postrider_core::shutdown::Shutdown;
use rand::RngExt as _;
use tokio::sync::Notify;

use decision::{Decision, Finding, Survey};

/// How long nodes have for an answer: as long as Celery's tools give them.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon the nodes are asked again about a queue that nothing was found out of.
const SOON: Duration = Duration::from_secs(5);
/// How many missing tasks are named.
const NAMED: usize = 5;

/// The queues of other programs that are to be consumed. They are withheld until the nodes have been asked. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedQueues(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    decisions: Mutex<BTreeMap<String, Decision>>,
    added: Notify,
}

/// Watches who else serves them.
pub(crate) struct Watch {
    pub remote: Remote,
    /// This worker's own name, and its tasks.
    pub name: String,
    pub tasks: BTreeSet<String>,
    pub queues: SharedQueues,
    pub consumers: Consumers,
    /// How often the nodes are asked, and up to a sixth of it more.
    pub every: Duration,
}

impl SharedQueues {
    pub(crate) fn new(queues: impl IntoIterator<Item = String>) -> Self {
        let decisions = queues.into_iter().map(|queue| (queue, Decision::default())).collect();
        Self(Arc::new(Inner { decisions: Mutex::new(decisions), added: Notify::new() }))
    }

    /// One more, which is consumed and withheld already; the nodes are asked at once.
    pub(crate) fn add(&self, queue: &str) {
        self.lock().insert(queue.to_owned(), Decision::default());
        self.0.added.notify_one();
    }

    /// One less, which is no longer consumed.
    pub(crate) fn remove(&self, queue: &str) {
        self.lock().remove(queue);
    }

    /// Decides anew by what a round says of each; tells what was decided before and is now.
    fn decide(&self, find: impl Fn(&str) -> Finding) -> Vec<(String, Finding, [Decision; 2])> {
        let decide = |(queue, decision): (&String, &mut Decision)| {
            let (finding, before) = (find(queue), *decision);
            *decision = before.after(&finding);
            (queue.clone(), finding, [before, *decision])
        };
        self.lock().iter_mut().map(decide).collect()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether one is still to be found out about.
    fn open(&self) -> bool {
        self.lock().values().any(|decision| decision.is_open())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Decision>> {
        self.0.decisions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Begins with the queues that may be consumed, and then ends and begins with them as their other workers change.
    pub(crate) async fn watch(self, shutdown: Shutdown) {
        shutdown.soft().run_until_cancelled(Box::pin(self.keep_watching())).await;
    }

    async fn keep_watching(&self) {
        let mut warned = false;
        loop {
            if self.queues.is_empty() {
                self.queues.0.added.notified().await;
            }
            self.round(&mut warned).await;
            let every = if self.queues.open() { self.every.min(SOON) } else { self.every };
            // Two workers that give way to each other must not do so in step for ever.
            let wait = every + every.mul_f64(rand::rng().random_range(0.0..1.0 / 6.0));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.queues.0.added.notified() => {}
            }
        }
    }

    /// Asks the nodes, and does as they say.
    async fn round(&self, warned: &mut bool) {
        let survey = match self.survey().await {
            Ok(survey) => {
                *warned = false;
                Some(survey)
            }
            Err(error) => {
                // Without the right to ask it will be the same every minute.
                if !std::mem::replace(warned, true) {
                    tracing::warn!(%error, "other workers cannot be asked what they serve");
                }
                error.is_refused().then(Survey::default)
            }
        };
        let find = |queue: &str| {
            survey.as_ref().map_or(Finding::Unknown, |survey| survey.finding(queue, &self.tasks))
        };
        for (queue, finding, [before, now]) in self.queues.decide(find) {
            if before.is_refused() != now.is_refused() || now == Decision::Unsure && before != now {
                tell(&queue, &finding);
            }
            self.consumers.withhold(&queue, now != Decision::Consumed).await;
        }
    }

    /// What the other nodes consume and have.
    async fn survey(&self) -> Result<Survey, InquiryError> {
        let (queues, tasks) =
            tokio::join!(self.remote.active_queues(PATIENCE), self.remote.registered(PATIENCE));
        let (queues, tasks): (Told, Told) = (queues?, tasks?);
        let mut survey = Survey { unreadable: queues.unreadable + tasks.unreadable > 0, ..Survey::default() };
        for (node, queues) in queues.nodes {
            survey.nodes.entry(node).or_default().queues = Some(queues.into_iter().collect());
        }
        for (node, tasks) in tasks.nodes {
            survey.nodes.entry(node).or_default().tasks = Some(tasks.into_iter().collect());
        }
        survey.nodes.remove(&self.name);
        Ok(survey)
    }
}

fn tell(queue: &str, finding: &Finding) {
    match finding {
        Finding::Lacking(node, tasks) => {
            let named: Vec<&str> = tasks.iter().take(NAMED).map(String::as_str).collect();
            tracing::error!(
                queue.name = %queue, node = %node, tasks = %named.join(","), count = tasks.len(),
                "this queue is not consumed: another worker there has tasks that are not registered here. Give ours a \
                 queue of their own"
            );
        }
        Finding::Unreadable => tracing::error!(
            queue.name = %queue,
            "this queue is not consumed: a worker is there whose answers cannot be read, so that its tasks are unknown. \
             Use task_serializer = 'json' or 'msgpack', or give ours a queue of their own"
        ),
        Finding::Unknown => tracing::warn!(
            queue.name = %queue,
            "this queue is not consumed yet: what other workers serve and have could not be found out"
        ),
        Finding::Clear => {
            tracing::info!(queue.name = %queue, "this queue is consumed again: nobody there has other tasks");
        }
    }
}
