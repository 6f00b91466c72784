//! `celery.accumulate`, which every Celery worker has: the results of a group as one result.
//!
//! It is the body of the chord that a group becomes when it takes the place of a task.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::task::Task;

/// The payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accumulate {
    /// The results.
    pub results: Value,
    /// Which of the arguments to give; without, all of them as a list.
    #[serde(default)]
    pub index: Option<i64>,
}

impl Task for Accumulate {
    const NAME: &'static str = "celery.accumulate";
}

impl Accumulate {
    /// The one result.
    pub fn value(self) -> Value {
        if self.index.is_some() { self.results } else { json!([self.results]) }
    }
}
