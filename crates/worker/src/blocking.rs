//! The threads that blocking tasks run on: bounded, and apart from the runtime's own.
//!
//! A thread is started when a task finds none idle, and kept for the next one. A thread that is given up, because its
//! task passed a time limit, goes on until the task returns: nothing can stop it. It is counted, its place is free at
//! once, and when too many are stuck the worker is told to end, so that a fresh process takes its place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

const RUNS: u8 = 0;
const ENDED: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Does the work, and returns what tells of its end.
type Work = Box<dyn FnOnce() -> Tell + Send>;
type Tell = Box<dyn FnOnce() + Send>;

/// The threads for blocking tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Threads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Arc<Semaphore>,
    most: AtomicUsize,
    /// Makes a thread.
    builder: fn() -> thread::Builder,
    idle: Mutex<Vec<Sender<Work>>>,
    /// Below zero for an instant, where a task ends while it is given up.
    stuck: AtomicI64,
    most_stuck: i64,
    worn: CancellationToken,
}

/// A place for a blocking task. Dropping it frees the place.
pub(crate) struct Seat {
    threads: Threads,
    permit: OwnedSemaphorePermit,
}

/// A blocking task that runs. Dropping it before its end gives up the thread.
pub(crate) struct Running<T> {
    ended: oneshot::Receiver<thread::Result<T>>,
    state: Arc<AtomicU8>,
    threads: Threads,
    _permit: OwnedSemaphorePermit,
}

/// Why blocking work came to no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoEnd {
    /// It panicked.
    Panicked,
    /// The system gave no thread for it.
    NotStarted,
}

impl Threads {
    /// At most so many threads that are not stuck. When `most_stuck` are, `worn` is cancelled; 0 is never.
    pub(crate) fn new(most: usize, most_stuck: u32, worn: CancellationToken) -> Self {
        let inner = Inner {
            places: Arc::new(Semaphore::new(most)),
            most: AtomicUsize::new(most),
            builder: || thread::Builder::new().name("postrider-task".into()),
            idle: Mutex::default(),
            stuck: AtomicI64::new(0),
            most_stuck: most_stuck.into(),
            worn,
        };
        Self(Arc::new(inner))
    }

    /// At most so many run at once.
    pub(crate) fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    /// Makes room for so many.
    pub(crate) fn at_least(&self, places: usize) {
        let before = self.0.most.fetch_max(places, Ordering::SeqCst);
        self.0.places.add_permits(places.saturating_sub(before));
    }

    /// Waits for a free place.
    pub(crate) async fn seat(&self) -> Seat {
        let permit = Arc::clone(&self.0.places).acquire_owned().await;
        Seat { threads: self.clone(), permit: permit.expect("the semaphore is never closed") }
    }

    fn start(&self, work: Work) {
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(idle) => match idle.send(work) {
                Ok(()) => {}
                Err(refused) => self.start_thread(refused.0),
            },
            None => self.start_thread(work),
        }
    }

    fn start_thread(&self, work: Work) {
        let (threads, runtime) = (Arc::downgrade(&self.0), Handle::current());
        let started = (self.0.builder)().spawn(move || {
            // So that a task can enqueue from here.
            let _runtime = runtime.enter();
            let mut work = work;
            loop {
                let tell = work();
                let (inbox, works) = mpsc::channel();
                let kept = threads.upgrade().is_some_and(|threads| threads.keep(inbox));
                // Only now: who is told may start another task at once, and should find this thread.
                tell();
                match works.recv() {
                    Ok(next) if kept => work = next,
                    _ => return,
                }
            }
        });
        if let Err(error) = started {
            // The work is dropped, and whoever waits for it is told by that.
            tracing::error!(%error, "a thread for a blocking task cannot be started");
        }
    }

    fn given_up(&self) {
        let stuck = self.0.stuck.fetch_add(1, Ordering::SeqCst) + 1;
        tracing::error!(stuck, "a blocking task was given up; its thread cannot be stopped");
        metrics::counter!("postrider_threads_given_up_total").increment(1);
        self.0.gauge();
        if self.0.most_stuck > 0 && stuck >= self.0.most_stuck {
            self.0.worn.cancel();
        }
    }
}

impl Inner {
    /// Keeps an idle thread, unless there are enough.
    fn keep(&self, inbox: Sender<Work>) -> bool {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = idle.len() < self.most.load(Ordering::SeqCst);
        if wanted {
            idle.push(inbox);
        }
        wanted
    }

    fn came_to_an_end(&self) {
        self.stuck.fetch_sub(1, Ordering::SeqCst);
        self.gauge();
    }

    fn gauge(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a count of threads is far below 2^52")]
        metrics::gauge!("postrider_threads_stuck").set(self.stuck.load(Ordering::SeqCst) as f64);
    }
}

impl Seat {
    /// Runs the work in its place.
    pub(crate) fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        let Self { threads, permit } = self;
        let (tell, ended) = oneshot::channel();
        let state = Arc::new(AtomicU8::new(RUNS));
        let (seen, counted) = (Arc::clone(&state), threads.clone());
        threads.start(Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            if seen.swap(ENDED, Ordering::SeqCst) == GIVEN_UP {
                counted.0.came_to_an_end();
            }
            Box::new(move || {
                // Nobody hears of it any more once it was given up.
                let _ = tell.send(result);
            })
        }));
        Running { ended, state, threads, _permit: permit }
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, NoEnd>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, NoEnd>> {
        Pin::new(&mut self.ended).poll(context).map(|ended| {
            let Ok(result) = ended else {
                // No thread has it that could be stuck.
                self.state.store(ENDED, Ordering::SeqCst);
                return Err(NoEnd::NotStarted);
            };
            result.map_err(|_| NoEnd::Panicked)
        })
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        let given_up = self.state.compare_exchange(RUNS, GIVEN_UP, Ordering::SeqCst, Ordering::SeqCst);
        if given_up.is_ok() {
            self.threads.given_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn threads(most: usize, most_stuck: u32) -> (Threads, CancellationToken) {
        let worn = CancellationToken::new();
        (Threads::new(most, most_stuck, worn.clone()), worn)
    }

    #[tokio::test]
    async fn one_thread_does_one_task_after_the_other() {
        let (threads, _) = threads(4, 0);
        let mut seen = Vec::new();
        for _ in 0..10 {
            let run = threads.seat().await.run(|| thread::current().id());
            seen.push(run.await.unwrap());
        }

        assert!(seen.iter().all(|id| *id == seen[0]), "{seen:?}");
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_places() {
        let (threads, _) = threads(2, 0);
        let (free, blocked) = channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let wait = |blocked: &Arc<Mutex<mpsc::Receiver<()>>>| {
            let blocked = Arc::clone(blocked);
            move || blocked.lock().unwrap().recv().unwrap()
        };

        let first = threads.seat().await.run(wait(&blocked));
        let second = threads.seat().await.run(wait(&blocked));
        assert!(futures::poll!(Box::pin(threads.seat())).is_pending());
        free.send(()).unwrap();
        free.send(()).unwrap();

        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        let _third = threads.seat().await;
    }

    #[tokio::test]
    async fn a_panic_is_an_end_and_the_thread_lives_on() {
        let (threads, _) = threads(1, 0);

        assert_eq!(threads.seat().await.run(|| panic!("on purpose")).await, Err::<(), _>(NoEnd::Panicked));
        assert_eq!(threads.seat().await.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_thread_that_is_given_up_frees_its_place_and_wears_the_worker_out() {
        let (threads, worn) = threads(1, 1);
        let (free, blocked) = channel::<()>();
        let (ending, ended) = oneshot::channel::<()>();

        let running = threads.seat().await.run(move || {
            blocked.recv().unwrap();
            ending.send(()).unwrap();
        });
        drop(running);
        assert_eq!(threads.0.stuck.load(Ordering::SeqCst), 1);
        assert!(worn.is_cancelled());
        assert_eq!(threads.seat().await.run(|| 7).await, Ok(7));

        free.send(()).unwrap();
        ended.await.unwrap();
        // The count goes down before the next task of that thread, which is asked for one after the other.
        while threads.0.stuck.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_that_gets_no_thread_says_so_and_no_thread_is_stuck_with_it() {
        let (threads, worn) = threads(1, 1);
        let mut inner = Arc::into_inner(threads.0).unwrap();
        inner.builder = || thread::Builder::new().stack_size(usize::MAX / 2);
        let threads = Threads(Arc::new(inner));

        let ended = threads.seat().await.run(|| 7).await;

        assert_eq!(ended, Err(NoEnd::NotStarted));
        assert_eq!(threads.0.stuck.load(Ordering::SeqCst), 0);
        assert!(!worn.is_cancelled());
    }

    #[tokio::test]
    async fn there_can_be_more_threads_later() {
        let (threads, _) = threads(1, 0);
        let _first = threads.seat().await;
        assert!(futures::poll!(Box::pin(threads.seat())).is_pending());

        threads.at_least(2);
        threads.at_least(1);

        let _second = threads.seat().await;
        assert!(futures::poll!(Box::pin(threads.seat())).is_pending());
    }
}
