//! Results through the broker, as Celery's `rpc://` backend has them: each state is a message to the queue that the caller
//! named in `reply_to`.
//!
//! Nobody but that caller can read them, and only once: it keeps the newest state of each task here, up to a limit. A
//! worker needs the right to write to the default exchange. Answers go the way of all publishing, so that a task's states
//! keep their order; where the queue is gone, its caller has gone, and the answer is dropped, unless the broker was away.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::patience::patiently;
use super::waiters::Waiters;
use super::{Meta, ResultError, ResultOptions, WaitError};
use crate::broker::message::{Message, Properties};
use crate::broker::{Broker, NotPublished, PublishError};
use crate::shutdown::Shutdown;

/// How many tasks' answers are kept for those who have not asked yet, as many as Celery's.
const KEPT: usize = 8192;
/// How long the queue outlives its consumer.
const QUEUE_EXPIRES: Duration = Duration::from_hours(24);
/// How long a caller may take to be back after the broker is.
const CALLER_RETURNS: Duration = Duration::from_secs(10);

/// Results through the broker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RpcResults(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    broker: Broker,
    options: ResultOptions,
    answers: Option<Answers>,
}

/// What a caller was answered.
#[derive(Debug, Clone)]
struct Answers {
    queue: String,
    listening: watch::Receiver<bool>,
    kept: Arc<Mutex<Kept>>,
    waiters: Waiters,
}

#[derive(Debug, Default)]
struct Kept {
    newest: HashMap<String, Arc<Meta>>,
    /// The order in which the tasks were first heard of. An id may stand here that was forgotten since.
    order: VecDeque<String>,
}

impl RpcResults {
    /// For a worker, which only answers.
    pub fn new(broker: Broker, options: ResultOptions) -> Self {
        Self(Arc::new(Inner { broker, options, answers: None }))
    }

    /// For a caller, which is answered to that queue. It listens until the process is asked to stop and nobody waits any
    /// more.
    pub fn listening_on(broker: Broker, queue: String, options: ResultOptions, shutdown: &Shutdown) -> Self {
        let close = CancellationToken::new();
        let mut replies = broker.reply_queue(&queue, QUEUE_EXPIRES, close.clone(), shutdown);
        let answers = Answers {
            queue,
            listening: replies.listening(),
            kept: Arc::default(),
            waiters: Waiters::default(),
        };
        let (heard, soft) = (answers.clone(), shutdown.soft().clone());
        shutdown.spawn(async move {
            let end = async {
                soft.cancelled().await;
                heard.waiters.idle().await;
            };
            tokio::select! {
                () = end => {}
                () = async { while let Some(message) = replies.next().await { heard.hear(&message) } } => {}
            }
            close.cancel();
        });
        Self(Arc::new(Inner { broker, options, answers: Some(answers) }))
    }

    /// What holds for every result.
    pub fn options(&self) -> &ResultOptions {
        &self.0.options
    }

    pub(super) async fn store(&self, meta: &Meta, asked: &Properties) -> Result<(), ResultError> {
        let Some(queue) = asked.reply_to.as_deref().filter(|queue| !queue.is_empty()) else { return Ok(()) };
        let message = self.answer(meta, asked.correlation_id.as_deref());
        let (patience, was_down) = (self.0.options.patience_for(&meta.state), AtomicBool::new(false));
        let sent = patiently(patience, || async {
            let sent = self.send(queue, &message).await;
            was_down.fetch_or(sent.is_err(), Ordering::Relaxed);
            sent
        });
        let mut heard = sent.await?;
        if !heard && was_down.into_inner() {
            // The caller's queue may have gone with the broker: it makes a new one once it is connected again, too.
            let again = patiently(CALLER_RETURNS, || async {
                if self.send(queue, &message).await? { Ok(()) } else { Err(ResultError::Unheard) }
            });
            heard = match again.await {
                Err(ResultError::Unheard) => false,
                again => again.map(|()| true)?,
            };
        }
        if !heard {
            tracing::debug!(task.id = %meta.id, "nobody listens for the result any more");
        }
        Ok(())
    }

    /// Whether somebody hears it.
    async fn send(&self, queue: &str, message: &Message) -> Result<bool, ResultError> {
        match self.0.broker.publish_to("", queue, message).await {
            Err(PublishError::NotPublished(NotPublished::Returned(_))) => Ok(false),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(true),
        }
    }

    pub(super) fn get(&self, id: &str) -> Result<Option<Meta>, ResultError> {
        Ok(self.answers()?.get(id))
    }

    pub(super) async fn wait(&self, id: &str, within: Duration) -> Result<Meta, WaitError> {
        let answers = self.answers()?;
        answers.waiters.wait(id, within, || std::future::ready(Ok(answers.get(id)))).await
    }

    pub(super) fn forget(&self, id: &str) -> Result<(), ResultError> {
        self.answers()?.lock().newest.remove(id);
        Ok(())
    }

    pub(super) fn reply_to(&self) -> Option<&str> {
        Some(&self.0.answers.as_ref()?.queue)
    }

    pub(super) async fn listening(&self) -> Result<(), ResultError> {
        let Some(answers) = &self.0.answers else { return Ok(()) };
        let (within, mut listening) = (self.0.options.patience, answers.listening.clone());
        match tokio::time::timeout(within, listening.wait_for(|listening| *listening)).await {
            Ok(Ok(_)) => Ok(()),
            // Who listened has ended with the process: nothing is heard any more.
            Ok(Err(_)) | Err(_) => Err(ResultError::NotListening(within)),
        }
    }

    fn answers(&self) -> Result<&Answers, ResultError> {
        self.0.answers.as_ref().ok_or(ResultError::NoReplyQueue)
    }

    fn answer(&self, meta: &Meta, correlation_id: Option<&str>) -> Message {
        let properties = Properties {
            content_type: Some("application/json".into()),
            content_encoding: Some("utf-8".into()),
            delivery_mode: Some(if self.0.options.persistent { 2 } else { 1 }),
            priority: Some(0),
            correlation_id: Some(correlation_id.unwrap_or(&meta.id).to_owned()),
            ..Properties::default()
        };
        Message { properties, body: meta.write().into(), ..Message::default() }
    }
}

impl Answers {
    fn hear(&self, message: &Message) {
        let Some(meta) = Meta::read(&message.body) else {
            tracing::warn!("an answer cannot be read: set result_serializer = 'json' where the task runs");
            return;
        };
        let meta = Arc::new(meta);
        let mut kept = self.lock();
        if kept.newest.insert(meta.id.clone(), Arc::clone(&meta)).is_none() {
            kept.order.push_back(meta.id.clone());
        }
        while kept.order.len() > KEPT {
            let oldest = kept.order.pop_front();
            oldest.map(|id| kept.newest.remove(&id));
        }
        drop(kept);
        self.waiters.tell(&meta);
    }

    fn get(&self, id: &str) -> Option<Meta> {
        self.lock().newest.get(id).map(|meta| Meta::clone(meta))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::broker::topology::Topology;
    use crate::broker::{AmqpBroker, AmqpConfig, MemoryBroker};
    use crate::clock::Clock;

    const LONG: Duration = Duration::from_mins(1);

    fn done(id: &str) -> Meta {
        Meta::success(id, json!(3), Clock::System.now())
    }

    fn asked(caller: &RpcResults) -> Properties {
        Properties { reply_to: caller.reply_to().map(str::to_owned), ..Properties::default() }
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_who_asks_later_and_told_to_who_waits() {
        let shutdown = Shutdown::new();
        let broker = Broker::Memory(MemoryBroker::new(&shutdown));
        let options = ResultOptions::default();
        let caller = RpcResults::listening_on(broker.clone(), "answers".into(), options.clone(), &shutdown);
        let worker = RpcResults::new(broker, options);
        caller.listening().await.unwrap();

        worker.store(&done("a"), &asked(&caller)).await.unwrap();
        let (waited, ()) = tokio::join!(caller.wait("b", LONG), async {
            worker.store(&Meta::started("b", 1, "w1@host"), &asked(&caller)).await.unwrap();
            worker.store(&done("b"), &asked(&caller)).await.unwrap();
        });

        assert_eq!(waited.unwrap().result, json!(3));
        assert_eq!(caller.get("a").unwrap().unwrap().result, json!(3));
        caller.forget("a").unwrap();
        assert_eq!(caller.get("a").unwrap(), None);
        shutdown.stop();
        assert!(shutdown.drained(LONG).await);
    }

    #[tokio::test]
    async fn who_cannot_be_answered_is_told_so_in_time() {
        let shutdown = Shutdown::new();
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = AmqpConfig {
            url: format!("amqp://{}", silent.local_addr().unwrap()).into(),
            name: "caller".into(),
            heartbeat: LONG,
            connect_timeout: LONG,
            publish_timeout: LONG,
            declare: true,
        };
        let broker = Broker::Amqp(AmqpBroker::start(config, Topology::default(), &shutdown));
        let options = ResultOptions { patience: Duration::from_millis(50), ..ResultOptions::default() };
        let caller = RpcResults::listening_on(broker, "answers".into(), options, &shutdown);

        let listening = tokio::time::timeout(LONG, caller.listening()).await.unwrap();

        assert_eq!(listening, Err(ResultError::NotListening(Duration::from_millis(50))));
        shutdown.stop_now();
    }

    #[tokio::test]
    async fn who_asked_for_no_answer_or_has_gone_is_no_error() {
        let worker = RpcResults::new(
            Broker::Memory(MemoryBroker::new(&Shutdown::new())),
            ResultOptions { patience: Duration::ZERO, ..ResultOptions::default() },
        );
        let gone = Properties { reply_to: Some("gone".into()), ..Properties::default() };

        assert_eq!(worker.store(&done("a"), &Properties::default()).await, Ok(()));
        assert_eq!(worker.store(&done("a"), &gone).await, Ok(()));
        assert_eq!(worker.get("a"), Err(ResultError::NoReplyQueue));
    }

    #[test]
    fn of_answers_that_nobody_asks_for_the_newest_are_kept() {
        let answers = Answers {
            queue: "answers".into(),
            listening: watch::channel(true).1,
            kept: Arc::default(),
            waiters: Waiters::default(),
        };
        for number in 0..KEPT + 2 {
            let body = done(&number.to_string()).write().into();
            answers.hear(&Message { body, ..Message::default() });
        }
        answers.hear(&Message { body: "not JSON".into(), ..Message::default() });

        let kept = ["0", "1", "2", "8193"].map(|id| answers.get(id).is_some());
        assert_eq!(kept, [false, false, true, true]);
    }
}
