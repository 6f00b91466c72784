//! One connection that is subscribed to the channels of all tasks that this process waits for.
//!
//! 1. Nobody waits: there is no connection.
//! 2. A task is waited for: subscribe, and once that is confirmed let those who wait look into the store, since the result
//!    may have come before.
//! 3. A message is the result. The last waiter's end unsubscribes.
//! 4. A lost connection, or one that does not answer a ping, is built anew with all its channels, and all look again.
//!
//! It ends when the process is asked to stop and nobody waits any more.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use deadpool_redis::redis::aio::{PubSubSink, PubSubStream};
use deadpool_redis::redis::{Client, RedisError, RedisResult};
use futures::StreamExt as _;
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::super::Meta;
use super::super::waiters::Waiters;
use crate::redis::{Redis, RedisConfig};
use crate::shutdown::Shutdown;

/// How often a quiet connection shows that it is alive.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The longest wait between two attempts to connect.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How many channels one command names.
const TOGETHER: usize = 256;

/// Hears of the results of that Redis. Those who wait register with what is returned.
pub(in super::super) fn start(config: &RedisConfig, shutdown: &Shutdown) -> Result<Waiters, String> {
    // The text of the error would quote the address, password and all.
    let client = Client::open(config.url.expose_secret())
        .map_err(|_| "the address cannot be read: write redis://user:password@host:6379/0".to_owned())?;
    let (tx, changes) = mpsc::unbounded_channel();
    let waiters = Waiters::telling(tx);
    let listener = Listener { client, timeout: config.timeout, waiters: waiters.clone() };
    let soft = shutdown.soft().clone();
    shutdown.spawn(async move {
        let waiters = listener.waiters.clone();
        let end = async {
            soft.cancelled().await;
            waiters.idle().await;
        };
        tokio::select! {
            () = end => {}
            () = listener.listen(changes) => {}
        }
    });
    Ok(waiters)
}

struct Listener {
    client: Client,
    timeout: Duration,
    waiters: Waiters,
}

/// A connection and what it is subscribed to.
struct Subscribed {
    sink: PubSubSink,
    tasks: HashSet<String>,
}

impl Listener {
    async fn listen(&self, mut changes: UnboundedReceiver<String>) {
        let waits = || {
            let waits = ExponentialBuilder::default().with_min_delay(Duration::from_millis(50));
            waits.with_max_delay(LONGEST_WAIT).without_max_times().with_jitter().build()
        };
        let mut wait = waits();
        while let Some(id) = changes.recv().await {
            if !self.waiters.wait_for(&id) {
                continue;
            }
            loop {
                let mut held = false;
                let error = match self.session(&mut changes, &mut held).await {
                    Ok(()) => return,
                    Err(error) => error,
                };
                tracing::warn!(%error, "the channels of results are down, connecting again");
                if held {
                    wait = waits();
                }
                tokio::time::sleep(wait.next().unwrap_or(LONGEST_WAIT)).await;
                if self.waiters.ids().is_empty() {
                    break;
                }
            }
        }
    }

    /// One connection, until it breaks or nobody can wait any more.
    async fn session(&self, changes: &mut UnboundedReceiver<String>, held: &mut bool) -> RedisResult<()> {
        let connected = self.within(self.client.get_async_pubsub()).await?;
        let (sink, messages) = connected.split();
        let mut messages: std::pin::Pin<&mut PubSubStream> = pin!(messages);
        let mut subscribed = Subscribed { sink, tasks: HashSet::new() };
        self.follow(&mut subscribed, self.waiters.ids()).await?;
        *held = true;
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = changes.recv_many(&mut batch, TOGETHER) => {
                    if count == 0 {
                        return Ok(());
                    }
                    self.follow(&mut subscribed, std::mem::take(&mut batch)).await?;
                }
                message = messages.next() => {
                    let message = message.ok_or_else(|| RedisError::from(std::io::Error::other("it has ended")))?;
                    self.told(message.get_channel_name(), message.get_payload_bytes());
                }
                _ = ping.tick() => self.within(subscribed.sink.ping::<()>()).await?,
            }
        }
    }

    /// Subscribes to those that are waited for now and unsubscribes from the others.
    async fn follow(&self, subscribed: &mut Subscribed, changed: Vec<String>) -> RedisResult<()> {
        let (mut wanted, mut unwanted) = (HashSet::new(), HashSet::new());
        for id in changed {
            match (self.waiters.wait_for(&id), subscribed.tasks.contains(&id)) {
                (true, false) => {
                    wanted.insert(id);
                }
                (false, true) => {
                    unwanted.insert(id);
                }
                // Another waiter: it hears what the others hear, but may have looked before they were subscribed.
                (true, true) => self.waiters.look_again(&id),
                (false, false) => {}
            }
        }
        let channels = |ids: &HashSet<String>| ids.iter().map(|id| Redis::result_key(id)).collect::<Vec<_>>();
        if !wanted.is_empty() {
            self.within(subscribed.sink.subscribe(channels(&wanted))).await?;
            for id in &wanted {
                self.waiters.look_again(id);
            }
            subscribed.tasks.extend(wanted);
        }
        if !unwanted.is_empty() {
            self.within(subscribed.sink.unsubscribe(channels(&unwanted))).await?;
            subscribed.tasks.retain(|id| !unwanted.contains(id));
        }
        Ok(())
    }

    fn told(&self, channel: &str, payload: &[u8]) {
        match Meta::read(payload) {
            Some(meta) => self.waiters.tell(&Arc::new(meta)),
            // What cannot be read is found again in the store, which says so to the caller.
            None => self.waiters.look_again(channel.trim_start_matches(&Redis::result_key(""))),
        }
    }

    async fn within<T>(&self, step: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let late =
            || RedisError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time"));
        tokio::time::timeout(self.timeout, step).await.unwrap_or_else(|_| Err(late()))
    }
}
