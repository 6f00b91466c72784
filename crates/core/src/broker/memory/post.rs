//! Remote control and events in one process: what the exchanges do on RabbitMQ, for the one-command start and for tests.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::super::mailbox::{
    Announcer, Heard, INBOX, Inquiry, InquiryError, Mailbox, MailboxConfig, Namespace, OUTBOX, Said,
};
use super::super::message::Message;
use crate::shutdown::Shutdown;

/// How many messages of events are kept for those who look at them; the oldest goes first.
const EVENTS: usize = 256;

/// The exchanges of remote control and events. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Post(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The mailboxes by node.
    nodes: HashMap<String, Sender<Heard>>,
    /// Who waits for replies, by routing key.
    waiting: HashMap<String, Sender<Message>>,
    /// What was said on the exchange of events, with its routing key.
    events: VecDeque<(String, Message)>,
}

impl Post {
    /// Opens a node's mailbox; a later one of the same name takes its place.
    pub(super) fn open(&self, config: MailboxConfig, shutdown: &Shutdown) -> Mailbox {
        let (outbox, mut said) = mpsc::channel::<Said>(OUTBOX);
        let (tx, heard) = mpsc::channel(INBOX);
        // There is room: it is new.
        tx.try_send(Heard::Connected).ok();
        self.lock().nodes.insert(config.node.clone(), tx);
        let close = CancellationToken::new();
        let announcer = Announcer { outbox, live: Arc::new(AtomicBool::new(true)), close: close.clone() };
        let post = self.clone();
        shutdown.spawn(async move {
            while let Some(Some(said)) = close.run_until_cancelled(said.recv()).await {
                post.deliver(&config.namespace, said);
            }
            while let Ok(said) = said.try_recv() {
                post.deliver(&config.namespace, said);
            }
            post.lock().nodes.remove(&config.node);
        });
        Mailbox { heard, announcer }
    }

    /// Broadcasts the request and collects its replies.
    pub(super) async fn ask(&self, inquiry: Inquiry) -> Result<Vec<Message>, InquiryError> {
        let (tx, mut rx) = mpsc::channel(INBOX);
        if let Some(replies) = &inquiry.replies {
            self.lock().waiting.insert(replies.key.clone(), tx);
        }
        let nodes: Vec<Sender<Heard>> = self.lock().nodes.values().cloned().collect();
        for node in nodes {
            node.try_send(Heard::Request(inquiry.request.clone())).ok();
        }
        let Some(replies) = inquiry.replies else { return Ok(Vec::new()) };
        let mut collected = Vec::new();
        while replies.limit.is_none_or(|limit| collected.len() < limit) {
            let Ok(Some(reply)) = timeout(replies.patience, rx.recv()).await else { break };
            collected.push(reply);
        }
        self.lock().waiting.remove(&replies.key);
        Ok(collected)
    }

    /// Takes what was said on the exchange of events so far.
    pub(super) fn take_events(&self) -> Vec<(String, Message)> {
        std::mem::take(&mut self.lock().events).into()
    }

    fn deliver(&self, namespace: &Namespace, Said { exchange, key, message }: Said) {
        let mut state = self.lock();
        if exchange == namespace.events {
            state.events.push_back((key, message));
            if state.events.len() > EVENTS {
                state.events.pop_front();
            }
        } else if let Some(waiting) = state.waiting.get(&key) {
            // Who waits no longer has taken itself out, or will.
            waiting.try_send(message).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
