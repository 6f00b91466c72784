//! What the worker `ledger-worker` and the test that kills it agree on.

/// A task that is run once.
pub const COUNT: &str = "ledger.count";
/// A task that is run [`TRIES`] times.
pub const AGAIN: &str = "ledger.again";
/// How many tries [`AGAIN`] takes.
pub const TRIES: u32 = 3;
/// The hash with how often each try of each task was begun, as `<task id>:<retries>`.
pub const RUNS: &str = "ledger:runs";
