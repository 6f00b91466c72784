//! A queue of this process alone, which workers answer to: Celery's `rpc://`.
//!
//! It is what Celery 5.7 declares for it: durable, deleted with its last consumer, and after a day without one.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::message::Message;
use super::{Broker, Subscription};
use crate::shutdown::Shutdown;

/// How many answers wait to be read.
pub(super) const INBOX: usize = 256;

/// The answers that come to a queue of this process, across reconnects.
#[derive(Debug)]
pub struct ReplyQueue {
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) listening: watch::Receiver<bool>,
}

impl ReplyQueue {
    /// The next answer; `None` once it is closed.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// Says whether the queue is there and an answer would be heard.
    pub fn listening(&self) -> watch::Receiver<bool> {
        self.listening.clone()
    }
}

impl Broker {
    /// Declares a queue of that name for this process and consumes it until `close`. Messages are gone once they are
    /// handed out.
    pub fn reply_queue(
        &self,
        name: &str,
        expires: Duration,
        close: CancellationToken,
        shutdown: &Shutdown,
    ) -> ReplyQueue {
        match self {
            Self::Amqp(amqp) => amqp.reply_queue(name, expires, close, shutdown),
            Self::Memory(memory) => {
                memory.declare(name, None);
                let (tx, messages) = mpsc::channel(INBOX);
                let (_, listening) = watch::channel(true);
                let subscription = Subscription { queue: name.into(), prefetch: 1, withheld: false };
                let mut consumer = self.consume(vec![subscription], shutdown);
                shutdown.spawn(async move {
                    while let Some(Some(mut delivery)) = close.run_until_cancelled(consumer.next()).await {
                        let message = std::mem::take(&mut delivery.message);
                        delivery.ack().await;
                        if tx.send(message).await.is_err() {
                            break;
                        }
                    }
                    consumer.cancel().await;
                });
                ReplyQueue { messages, listening }
            }
        }
    }
}
