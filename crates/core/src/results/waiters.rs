//! Who waits for which result in this process.
//!
//! A waiter is told the result itself, or to look again where something may have been missed. Whoever brings the news
//! (a channel of Redis, a reply queue, a store in memory) tells it here; [`Waiters::wait`] turns it into an answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Meta, ResultError, WaitError};

/// How long a waiter trusts that it is told. A channel can be lost without a sign of it.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// Who waits. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Waiters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How often a waiter looks into the store by itself.
    every: Duration,
    waiting: Mutex<HashMap<String, Awaited>>,
    /// How many tasks are waited for.
    count: watch::Sender<usize>,
    /// Where it is told that a task is waited for, or is no more.
    changes: Option<mpsc::UnboundedSender<String>>,
}

/// A task that is waited for.
#[derive(Debug, Default)]
struct Awaited {
    news: watch::Sender<News>,
    /// How many wait. Not the sender's count of receivers: one that is being given up counts there until after the lock.
    places: usize,
}

/// The newest that is known of a task.
#[derive(Debug, Clone, Default)]
enum News {
    #[default]
    Nothing,
    /// The store may hold something new.
    Look,
    Ready(Arc<Meta>),
}

/// One waiter's place. Dropping it gives it up.
struct Waiting<'a> {
    waiters: &'a Waiters,
    id: &'a str,
    news: watch::Receiver<News>,
}

impl Waiters {
    /// Nobody waits yet. The id of each task that is waited for, or is no more, will be sent to `changes`.
    pub(super) fn telling(changes: mpsc::UnboundedSender<String>) -> Self {
        Self::looking(LOOK_ANYWAY, Some(changes))
    }

    fn looking(every: Duration, changes: Option<mpsc::UnboundedSender<String>>) -> Self {
        Self(Arc::new(Inner { every, waiting: Mutex::default(), count: watch::Sender::default(), changes }))
    }

    /// Waits until the task has come to its end. `look` asks the store.
    pub(super) async fn wait<L, F>(&self, id: &str, within: Duration, look: L) -> Result<Meta, WaitError>
    where
        L: Fn() -> F + Send + Sync,
        F: Future<Output = Result<Option<Meta>, ResultError>> + Send,
    {
        let mut failed = None;
        let ended = tokio::time::timeout(within, async {
            // The store first: what is there already needs nobody to tell of it.
            if let Some(meta) = looked(look().await, &mut failed)? {
                return Ok(meta);
            }
            let mut waiting = self.register(id);
            // It may have come between the look and the registration. Where somebody subscribes for us, that look comes
            // once the subscription stands.
            let mut overdue = self.0.changes.is_none();
            loop {
                let news = waiting.news.borrow_and_update().clone();
                if let News::Ready(meta) = news {
                    return Ok(Meta::clone(&meta));
                }
                if (overdue || matches!(news, News::Look))
                    && let Some(meta) = looked(look().await, &mut failed)?
                {
                    return Ok(meta);
                }
                overdue = tokio::time::timeout(self.0.every, waiting.news.changed()).await.is_err();
            }
        });
        match ended.await {
            Ok(ended) => ended.map_err(WaitError::Results),
            Err(_) => Err(failed.map_or(WaitError::Timeout(within), WaitError::Results)),
        }
    }

    /// Tells a result to whoever waits for it.
    pub(super) fn tell(&self, meta: &Arc<Meta>) {
        if meta.state.is_ready()
            && let Some(awaited) = self.lock().get(&meta.id)
        {
            awaited.news.send_replace(News::Ready(Arc::clone(meta)));
        }
    }

    /// Makes those who wait for a task look into the store.
    pub(super) fn look_again(&self, id: &str) {
        if let Some(awaited) = self.lock().get(id) {
            awaited.news.send_if_modified(News::look);
        }
    }

    /// The tasks that are waited for.
    pub(super) fn ids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Whether the task is waited for.
    pub(super) fn wait_for(&self, id: &str) -> bool {
        self.lock().contains_key(id)
    }

    /// Returns once nothing is waited for.
    pub(super) async fn idle(&self) {
        // The sender is ours, so the watch never ends.
        self.0.count.subscribe().wait_for(|count| *count == 0).await.ok();
    }

    fn register<'a>(&'a self, id: &'a str) -> Waiting<'a> {
        let mut waiting = self.lock();
        let awaited = waiting.entry(id.to_owned()).or_default();
        awaited.places += 1;
        let news = awaited.news.subscribe();
        self.changed(&waiting, id);
        Waiting { waiters: self, id, news }
    }

    fn changed(&self, waiting: &HashMap<String, Awaited>, id: &str) {
        self.0.count.send_replace(waiting.len());
        if let Some(changes) = &self.0.changes {
            // Nobody hears it once the process stops; then nobody is told either, and waiters look by themselves.
            changes.send(id.to_owned()).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Awaited>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Waiters {
    /// Nobody waits yet.
    fn default() -> Self {
        Self::looking(LOOK_ANYWAY, None)
    }
}

impl News {
    fn look(&mut self) -> bool {
        let pending = !matches!(self, Self::Ready(_));
        if pending {
            *self = Self::Look;
        }
        pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.lock();
        let Some(awaited) = waiting.get_mut(self.id) else { return };
        awaited.places -= 1;
        if awaited.places == 0 {
            waiting.remove(self.id);
            self.waiters.changed(&waiting, self.id);
        }
    }
}

/// What a look found, if the task has ended. A store that does not answer may do so before the time is up.
fn looked(
    found: Result<Option<Meta>, ResultError>,
    failed: &mut Option<ResultError>,
) -> Result<Option<Meta>, ResultError> {
    match found {
        Ok(found) => {
            *failed = None;
            Ok(found.filter(|meta| meta.state.is_ready()))
        }
        Err(error) if error.is_passing() => {
            *failed = Some(error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    const LONG: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_millis(20);

    fn done(id: &str) -> Arc<Meta> {
        Arc::new(Meta::success(id, json!(3), Clock::System.now()))
    }

    #[tokio::test]
    async fn all_who_wait_for_a_task_are_told_and_their_place_is_given_up() {
        let (tx, mut changes) = mpsc::unbounded_channel();
        let waiters = Waiters::telling(tx);
        let nothing = || async { Ok(None) };

        let (first, second, ()) =
            tokio::join!(waiters.wait("a", LONG, nothing), waiters.wait("a", LONG, nothing), async {
                changes.recv().await;
                changes.recv().await;
                waiters.tell(&done("b"));
                waiters.tell(&done("a"));
            });

        assert_eq!((first.unwrap().result, second.unwrap().result), (json!(3), json!(3)));
        assert!(!waiters.wait_for("a") && waiters.ids().is_empty());
        waiters.idle().await;
        assert_eq!(changes.recv().await.as_deref(), Some("a"));
    }

    #[test]
    fn places_that_are_given_up_at_once_leave_none() {
        let (waiters, start) = (Waiters::default(), Barrier::new(4));

        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let place = waiters.register("a");
                        start.wait();
                        drop(place);
                        start.wait();
                        assert_eq!(waiters.ids(), Vec::<String>::new());
                        start.wait();
                    }
                });
            }
        });
    }

    #[tokio::test]
    async fn a_waiter_looks_by_itself_when_nobody_tells_it() {
        let (waiters, looks) = (Waiters::looking(SHORT, None), AtomicUsize::new(0));
        let third_time = || {
            let ready = looks.fetch_add(1, Ordering::SeqCst) == 2;
            async move { Ok(ready.then(|| Meta::clone(&done("a")))) }
        };

        let meta = waiters.wait("a", LONG, third_time).await;

        assert_eq!(meta.unwrap().id, "a");
        assert_eq!(looks.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn the_end_of_patience_says_what_was_in_the_way() {
        let waiters = Waiters::default();

        let pending = waiters.wait("a", SHORT, || async { Ok(None) }).await;
        let down = waiters.wait("a", SHORT, || async { Err(ResultError::down_for_tests()) }).await;

        assert!(matches!(pending, Err(WaitError::Timeout(SHORT))));
        assert!(matches!(down, Err(WaitError::Results(ResultError::Store(_)))));
    }
}
