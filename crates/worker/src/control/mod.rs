//! The worker among Celery's workers: it answers remote control, shows that it is alive, and says what its tasks do.
//!
//! 1. [`prepare`] makes what watches the tasks, before there are any.
//! 2. [`Prepared::attend`] opens the mailbox. Whenever it is connected, first or again, the worker says that it is online
//!    and asks the others what they have revoked; that takes a second and delays nothing.
//! 3. Requests are answered one after another, in the order in which they came. [`panel`] finds the command, and what a
//!    command changes or asks of the rest of the worker goes through [`Controls`].
//! 4. [`Control::close`] says what is left to say, that the worker goes offline, and leaves.
//!
//! No task waits for any of this, and none of it is needed for tasks to run.

pub(crate) mod cards;
mod changes;
mod client;
mod controls;
mod debugging;
mod inspect;
mod levers;
mod mingle;
mod options;
mod panel;
mod pool;
mod queues;
mod raised;
mod report;
mod revoke;
mod signature;
mod tasks;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use postrider_core::broker::{Broker, Heard, Mailbox, MailboxConfig, Namespace};
use postrider_core::celery::control::{Request, logical_clock};
use postrider_core::clock::Clock;
use postrider_core::remote::Remote;
use postrider_core::shutdown::Shutdown;
use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

pub(crate) use changes::Changes;
pub use client::{Answered, COMMANDS, ClientCommand, CommandKind, Typed, UsageError};
use controls::Controls;
pub(crate) use levers::Levers;
pub use options::ControlOptions;
use panel::Panel;

use crate::events::{Events, Heart, Mode, pump};
use crate::lamport::Lamport;
use crate::observer::Observer;
use crate::revoked::{Revoked, StateFile, StateFileError};
use crate::stats::Stats;
use crate::tracker::Tracker;

/// What watches the tasks is there; nobody outside is told yet.
pub(crate) struct Prepared {
    node: String,
    options: ControlOptions,
    observer: Observer,
    lamport: Lamport,
    events: Receiver<String>,
    state_file: Option<StateFile>,
}

/// The worker's part in remote control, until it is closed.
#[derive(Debug)]
pub(crate) struct Control(CancellationToken);

/// Makes what watches the tasks of a node. `tasks` are the names of what it can run, sorted.
pub(crate) fn prepare(
    node: &str,
    options: &ControlOptions,
    tasks: &[&'static str],
    clock: &Clock,
) -> Result<(Observer, Prepared), StateFileError> {
    let lamport = Lamport::default();
    let mode = match options {
        ControlOptions { enabled: false, .. } => Mode::Never,
        ControlOptions { task_events: true, .. } => Mode::Always,
        _ => Mode::Off,
    };
    let (events, said) = Events::new(node, mode, lamport.clone(), clock.clone());
    let revoked = Revoked::default();
    let open = |path: &std::path::PathBuf| StateFile::open(path, revoked.clone(), lamport.clone());
    let state_file = options.state_file.as_ref().map(open).transpose()?;
    let observer = Observer {
        tracker: Tracker::default(),
        events,
        revoked,
        stats: Stats::new(tasks),
        clock: clock.clone(),
    };
    let prepared = Prepared {
        node: node.to_owned(),
        options: options.clone(),
        observer: observer.clone(),
        lamport,
        events: said,
        state_file,
    };
    Ok((observer, prepared))
}

impl Prepared {
    /// Opens the mailbox, and attends to it in the background until it is closed.
    pub(crate) fn attend(self, broker: &Broker, controls: Arc<dyn Controls>, shutdown: &Shutdown) -> Control {
        let stop = CancellationToken::new();
        let control = Control(stop.clone());
        if let Some(file) = self.state_file {
            shutdown.spawn(file.keep(stop.clone()));
        }
        if !self.options.enabled {
            return control;
        }
        let namespace = self.options.namespace.clone();
        let config = MailboxConfig {
            node: self.node.clone(),
            namespace: namespace.clone(),
            elections: self.options.gossip,
        };
        let mailbox = broker.mailbox(config, shutdown);
        let Observer { tracker, events, stats, revoked, clock } = self.observer.clone();
        let announcer = mailbox.announcer().clone();
        let heart = Heart {
            events: events.clone(),
            tracker,
            stats,
            announcer: announcer.clone(),
            exchange: namespace.events.clone(),
            every: self.options.heartbeat,
        };
        let panel = Panel {
            node: self.node.clone(),
            observer: self.observer,
            lamport: self.lamport.clone(),
            heart: heart.clone(),
            controls,
        };
        let mingling = self.options.mingle.then(|| mingle::Mingling {
            node: self.node,
            remote: Remote::new(broker.clone(), namespace.clone(), clock)
                .with_serializer(self.options.serializer),
            revoked,
            lamport: self.lamport,
        });
        let attendant = Attendant { mailbox, panel, heart, mingling, namespace, shutdown: shutdown.clone() };
        shutdown.spawn(async move {
            let saying = pump(
                events,
                self.events,
                announcer.clone(),
                attendant.namespace.events.clone(),
                stop.clone(),
            );
            let (heart, ()) = tokio::join!(attendant.attend(&stop), saying);
            // After the last event of a task: who is offline has no tasks.
            heart.offline();
            announcer.close();
        });
        control
    }
}

impl Control {
    /// Says what is left to say, and that the worker goes; what was spawned then ends by itself.
    pub(crate) fn close(&self) {
        self.0.cancel();
    }
}

/// What hears and answers.
struct Attendant {
    mailbox: Mailbox,
    panel: Panel,
    heart: Heart,
    mingling: Option<mingle::Mingling>,
    namespace: Namespace,
    shutdown: Shutdown,
}

impl Attendant {
    async fn attend(mut self, stop: &CancellationToken) -> Heart {
        let heart = self.heart.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = heart.run() => {}
            () = self.listen(stop) => {
                // Refused by the broker: nobody will ever hear anything.
                self.heart.events.silence();
                stop.cancelled().await;
            }
        }
        heart
    }

    async fn listen(&mut self, stop: &CancellationToken) {
        while let Some(heard) = self.mailbox.next().await {
            match heard {
                Heard::Connected => {
                    self.heart.online();
                    self.mingle(stop);
                }
                Heard::Request(message) => self.answer(&message).await,
                Heard::Election(message) => {
                    self.panel.lamport.adjust(logical_clock(&message).unwrap_or(0));
                    let event: Value = serde_json::from_slice(&message.body).unwrap_or_default();
                    if let Some(id) = event["id"].as_str() {
                        self.heart.acknowledge_election(id);
                    }
                }
            }
        }
    }

    async fn answer(&self, message: &postrider_core::broker::message::Message) {
        let panel = &self.panel;
        panel.lamport.forward();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
        let now = panel.observer.clock.now_ms() as f64 / 1000.0;
        let request = match Request::read(message, now) {
            Ok(request) => request,
            Err(error) => return tracing::warn!(%error, "a request of remote control is dropped"),
        };
        panel.lamport.adjust(logical_clock(message).unwrap_or(0));
        if !request.is_for(&panel.node) {
            return;
        }
        let Some(value) = panel.obey(&request).await else { return };
        if let Some(reply_to) = &request.reply_to {
            let reply = request.reply(&panel.node, &value, panel.lamport.forward());
            if !self.mailbox.announcer().announce(&reply_to.exchange, &reply_to.routing_key, reply) {
                tracing::debug!(method = %request.method, "a reply is dropped: too many wait");
            }
        }
    }

    /// Asks the others in the background what they have revoked.
    fn mingle(&self, stop: &CancellationToken) {
        if let Some(mingling) = self.mingling.clone() {
            let stop = stop.clone();
            self.shutdown.spawn(async move {
                stop.run_until_cancelled(mingling.mingle()).await;
            });
        }
    }
}
