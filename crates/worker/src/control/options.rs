//! How a worker takes part in remote control and events.

use std::path::PathBuf;
use std::time::Duration;

use postrider_core::broker::Namespace;
use postrider_core::celery::Serializer;

/// How a worker takes part in remote control and events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of Celery's command line")]
pub struct ControlOptions {
    /// Whether it does at all. Without it the worker opens no mailbox and says nothing; tasks run the same.
    pub enabled: bool,
    /// The exchanges, which the Python app calls `control_exchange` and `event_exchange`.
    pub namespace: Namespace,
    /// What it writes its own requests with: one that the Python app has in `accept_content`. It reads and answers all.
    pub serializer: Serializer,
    /// Says what its tasks do from the start, Celery's `-E`; else from when a client asks for it.
    pub task_events: bool,
    /// The time between two heartbeats, Celery's `--heartbeat-interval`; `None` is its `--without-heartbeat`: tools do
    /// not list the worker, but it answers them.
    pub heartbeat: Option<Duration>,
    /// Whether it answers the elections of Celery's workers; not to is Celery's `--without-gossip`.
    pub gossip: bool,
    /// Whether it asks the others at its start what they have revoked; not to is Celery's `--without-mingle`.
    pub mingle: bool,
    /// Where what is revoked survives a restart, Celery's `--statedb`.
    pub state_file: Option<PathBuf>,
}

impl Default for ControlOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            namespace: Namespace::default(),
            serializer: Serializer::default(),
            task_events: false,
            heartbeat: Some(Duration::from_secs(2)),
            gossip: true,
            mingle: true,
            state_file: None,
        }
    }
}
