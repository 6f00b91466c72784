//! The worker that runs tasks, as they see it.

use crate::producer::Producer;
use crate::results::Results;

/// The worker that runs tasks, as they see it.
#[derive(Debug)]
pub struct Node {
    /// Its name, as `w1@host`.
    pub name: String,
    /// What enqueues for its tasks.
    pub producer: Producer,
    /// Where results go.
    pub results: Results,
}
