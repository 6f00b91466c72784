//! Queues in this process: the broker of the one-command start, and the model of what RabbitMQ does for us.
//!
//! Messages live as long as the process. Publishing to a queue that was not declared is refused, as the `mandatory`
//! flag does on RabbitMQ.

mod flow;
mod post;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::consumers::Wanted;
use super::delivery::{Acker, Consumer, Delivery};
use super::handover::Handover;
use super::message::{Message, Value};
use super::topology::{Topology, delay_seconds};
use super::{Inquiry, InquiryError, Mailbox, MailboxConfig, NotPublished, PublishError, Subscription};
use crate::shutdown::Shutdown;
use flow::Flow;
use post::Post;

/// Queues in this process. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    queues: Arc<Mutex<HashMap<Arc<str>, Queue>>>,
    post: Post,
    shutdown: Shutdown,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Queued>,
    unacked: usize,
    delayed: usize,
    max_length: Option<usize>,
    arrived: Arc<Notify>,
}

#[derive(Debug)]
struct Queued {
    message: Message,
    redelivered: bool,
}

/// Settles one delivery of a [`MemoryBroker`].
#[derive(Debug)]
pub(super) struct MemoryAcker {
    broker: MemoryBroker,
    queue: Arc<str>,
}

impl MemoryBroker {
    /// No queues yet. Delayed messages wait in tasks that end with `shutdown`.
    pub fn new(shutdown: &Shutdown) -> Self {
        Self { queues: Arc::default(), post: Post::default(), shutdown: shutdown.clone() }
    }

    /// Makes sure that a queue exists; with a length limit it drops its oldest message when it is full.
    pub fn declare(&self, queue: &str, max_length: Option<usize>) {
        self.lock().entry(queue.into()).or_default().max_length = max_length;
    }

    /// Whether every declared queue but those named is empty: nothing ready, handed out, or waiting for its time.
    pub fn is_drained(&self, except: &[&str]) -> bool {
        let idle = |queue: &Queue| queue.ready.is_empty() && queue.unacked == 0 && queue.delayed == 0;
        self.lock().iter().all(|(name, queue)| except.contains(&&**name) || idle(queue))
    }

    /// Takes the oldest message of a queue, as a tool would.
    pub fn take(&self, queue: &str) -> Option<Message> {
        self.lock().get_mut(queue)?.ready.pop_front().map(|queued| queued.message)
    }

    pub(super) fn publish(&self, queue: &str, message: Message) -> Result<(), PublishError> {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(queue) else {
            return Err(PublishError::NotPublished(NotPublished::Returned("NO_ROUTE".into())));
        };
        queue.ready.push_back(Queued { message, redelivered: false });
        if queue.max_length.is_some_and(|limit| queue.ready.len() > limit) {
            queue.ready.pop_front();
        }
        queue.arrived.notify_one();
        Ok(())
    }

    pub(super) fn publish_after(
        &self,
        queue: &str,
        delay: Duration,
        message: Message,
    ) -> Result<(), PublishError> {
        let seconds = delay_seconds(delay);
        if seconds == 0 {
            return self.publish(queue, message);
        }
        match self.lock().get_mut(queue) {
            Some(queue) => queue.delayed += 1,
            None => return Err(PublishError::NotPublished(NotPublished::Returned("NO_ROUTE".into()))),
        }
        let (this, queue) = (self.clone(), queue.to_owned());
        self.shutdown.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
                () = this.shutdown.soft().cancelled() => return,
            }
            if let Some(queue) = this.lock().get_mut(&*queue) {
                queue.delayed -= 1;
            }
            this.publish(&queue, message).expect("a declared queue is never removed");
        });
        Ok(())
    }

    pub(super) fn consume(&self, subscriptions: &[Subscription], shutdown: &Shutdown) -> Consumer {
        let (handover, wanted) = (Handover::new(1), Wanted::new(subscriptions.to_vec()));
        let cancel = CancellationToken::new();
        let flow = Flow::new(self, &handover, &cancel, shutdown);
        shutdown.spawn(flow.follow(Arc::clone(&wanted)));
        Consumer {
            handover,
            wanted,
            cancel,
            close: CancellationToken::new(),
            live: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Takes what was said on the exchange of events so far, each with its routing key.
    pub fn take_events(&self) -> Vec<(String, Message)> {
        self.post.take_events()
    }

    pub(super) fn mailbox(&self, config: MailboxConfig, shutdown: &Shutdown) -> Mailbox {
        self.post.open(config, shutdown)
    }

    pub(super) async fn ask(&self, inquiry: Inquiry) -> Result<Vec<Message>, InquiryError> {
        self.post.ask(inquiry).await
    }

    pub(super) fn depth(&self, queue: &str) -> Option<u64> {
        self.lock().get(queue).map(|queue| queue.ready.len() as u64)
    }

    pub(super) fn extend(&self, more: &Topology) {
        more.queues.iter().for_each(|queue| self.declare_if_missing(&queue.name));
    }

    pub(super) fn purge(&self, queue: &str) -> u64 {
        self.lock().get_mut(queue).map_or(0, |queue| std::mem::take(&mut queue.ready).len() as u64)
    }

    fn next(&self, name: &Arc<str>) -> Option<Delivery> {
        let mut queues = self.lock();
        let queue = queues.get_mut(name)?;
        let Queued { message, redelivered } = queue.ready.pop_front()?;
        queue.unacked += 1;
        if !queue.ready.is_empty() {
            queue.arrived.notify_one();
        }
        let acker = Acker::Memory(MemoryAcker { broker: self.clone(), queue: Arc::clone(name) });
        Some(Delivery {
            queue: Arc::clone(name),
            redelivered,
            exchange: String::new(),
            routing_key: name.to_string(),
            message,
            acker,
            period: 0,
        })
    }

    fn declare_if_missing(&self, queue: &str) {
        self.lock().entry(queue.into()).or_default();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryAcker {
    pub(super) fn ack(self) -> bool {
        self.settled(|_| ());
        true
    }

    pub(super) fn requeue(self, mut message: Message) -> bool {
        let count = message.headers.get("x-delivery-count").and_then(Value::as_i64).unwrap_or(0);
        message.headers.insert("x-delivery-count".into(), Value::I64(count + 1));
        self.settled(|queue| {
            queue.ready.push_front(Queued { message, redelivered: true });
            queue.arrived.notify_one();
        });
        true
    }

    fn settled(&self, then: impl FnOnce(&mut Queue)) {
        if let Some(queue) = self.broker.lock().get_mut(&self.queue) {
            queue.unacked -= 1;
            then(queue);
        }
    }
}
