//! Getting in step with the other workers: what they have revoked is revoked here too.
//!
//! It is asked at the start and after each lost connection, and takes the second that Celery's workers wait for it. The
//! worker runs tasks meanwhile; one that was revoked before its start may still slip through in that second.

use std::time::Duration;

use postrider_core::celery::control::{Reply, Request};
use postrider_core::remote::Remote;
use serde_json::{Map, Value};

use super::panel::names;
use crate::lamport::Lamport;
use crate::revoked::Revoked;

/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the others.
#[derive(Debug, Clone)]
pub(super) struct Mingling {
    pub(super) node: String,
    pub(super) remote: Remote,
    pub(super) revoked: Revoked,
    pub(super) lamport: Lamport,
}

impl Mingling {
    /// Says hello, and takes over what the others answer.
    pub(super) async fn mingle(&self) {
        let mut arguments = Map::new();
        arguments.insert("from_node".into(), self.node.as_str().into());
        arguments.insert("revoked".into(), self.revoked.ids().into());
        match self.remote.call(Request::new("hello", arguments), PATIENCE).await {
            Ok(replies) => {
                let others = replies.iter().filter(|reply| self.take_over(reply)).count();
                tracing::info!(others, "in step with the other workers");
            }
            Err(error) => tracing::warn!(%error, "the other workers could not be asked what is revoked"),
        }
    }

    /// Takes over what one of the others says; `false` for what is no answer of another one.
    fn take_over(&self, reply: &Reply) -> bool {
        self.lamport.adjust(reply.clock);
        let Value::Object(answer) = &reply.value else { return false };
        if reply.node == self.node || answer.contains_key("error") {
            return false;
        }
        self.lamport.adjust(answer.get("clock").and_then(Value::as_u64).unwrap_or(0));
        let revoked = answer.get("revoked").map(names).unwrap_or_default();
        if !revoked.is_empty() {
            self.revoked.add(revoked);
        }
        true
    }
}
