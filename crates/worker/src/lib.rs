//! The worker engine: consumes Celery messages, runs the tasks of a registry in a bounded pool, retries, and keeps
//! what cannot be done in a dead-letter queue.
//!
//! It knows no SMS: a crate that depends on it with `default-features = false` writes tasks of its own and links none
//! of Postrider's. `examples/send_notice.rs` shows the whole of it. The SMS worker is the binary of this package, in
//! `src/sms`.

mod app;
mod dead;
mod disposition;
mod execute;
mod pool;
mod settle;
mod sources;

pub use app::{Options, WorkQueue, Worker};
pub use dead::{DeadLetter, ReplayError};
