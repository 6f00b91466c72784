//! The worker engine: consumes Celery messages, runs the tasks of a registry in a bounded pool, retries, and keeps
//! what cannot be done in a dead-letter queue.
//!
//! It knows no SMS: a crate that depends on it with `default-features = false` writes tasks of its own and links none
//! of Postrider's. `examples/send_notice.rs` shows the whole of it. The SMS worker is the binary of this package, in
//! `src/sms`.

mod again;
mod app;
mod attempt;
mod autoscale;
mod blocking;
mod capacity;
mod chord;
pub mod cli;
mod conclude;
mod consumers;
mod control;
mod dead;
mod disposition;
mod events;
mod execute;
mod follow;
mod guard;
mod held;
mod intake;
mod lamport;
mod limits;
mod observer;
mod on_thread;
mod options;
mod outcome;
mod patience;
mod pool;
mod postpone;
mod rate_limit;
mod report;
mod revoked;
mod runs;
mod settle;
mod shared_queue;
mod sources;
mod stats;
mod tracker;

pub use app::{Worker, WorkerError};
pub use autoscale::Autoscale;
pub use capacity::Prefetch;
pub use control::{Answered, COMMANDS, ClientCommand, CommandKind, ControlOptions, Typed, UsageError};
pub use dead::{DeadLetter, ReplayError};
pub use intake::IntakeOptions;
pub use limits::{Limits, TimeLimits};
pub use options::{Options, PoolKind, WorkQueue};
pub use revoked::StateFileError;
