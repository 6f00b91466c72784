//! What clients have revoked: ids of tasks and stamps, which are not to be started.
//!
//! The last 50,000 ids are kept, as many as Celery keeps, however old they are: a revoked task may come in hours, when its
//! time has come. With a state file they survive a restart; stamps do not, as in Celery. Asking is one load while nothing
//! is revoked.

mod limited_set;
mod state_file;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postrider_core::broker::message::{self, Message};
use serde_json::Value;
use tokio::sync::Notify;

use limited_set::LimitedSet;
pub(crate) use state_file::StateFile;
pub use state_file::StateFileError;

use crate::tracker::stamps;

/// What is revoked. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revoked(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether there is anything at all.
    any: AtomicBool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ids: LimitedSet,
    /// Values by the name of their stamp.
    stamps: BTreeMap<String, Vec<Value>>,
}

impl Revoked {
    /// Whether a task must not be started.
    pub(crate) fn holds(&self, id: &str, message: &Message) -> bool {
        self.0.any.load(Ordering::Relaxed) && self.look_up(id, message)
    }

    /// Revokes tasks by id.
    pub(crate) fn add(&self, ids: impl IntoIterator<Item = String>) {
        self.change(|state| ids.into_iter().for_each(|id| state.ids.insert(id)));
        self.0.changed.notify_one();
    }

    /// Revokes tasks by stamp: those that carry one of these values under that name.
    pub(crate) fn add_stamps(&self, name: &str, values: &[Value]) {
        self.change(|state| {
            let known = state.stamps.entry(name.to_owned()).or_default();
            for value in values {
                if !known.contains(value) {
                    known.push(value.clone());
                }
            }
        });
    }

    /// The ids, oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.lock(|state| state.ids.ids().map(str::to_owned).collect())
    }

    /// Waits until ids were revoked since the last time.
    async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn look_up(&self, id: &str, message: &Message) -> bool {
        self.lock(|state| {
            state.ids.contains(id)
                || !state.stamps.is_empty() && stamps(message).is_some_and(|stamps| state.revokes(stamps))
        })
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.lock(change);
        self.0.any.store(true, Ordering::Relaxed);
    }

    fn lock<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn revokes(&self, stamps: &message::Table) -> bool {
        let of = |(name, values): (&String, &Vec<Value>)| {
            stamps.get(name).is_some_and(|stamp| !matching(stamp, values).is_empty())
        };
        self.stamps.iter().any(of)
    }
}

/// The values of a stamp, which is one value or a list of them, that are among the revoked ones.
pub(crate) fn matching(stamp: &message::Value, revoked: &[Value]) -> Vec<Value> {
    let values = match stamp {
        message::Value::Array(values) => values.iter().map(plain).collect(),
        value => vec![plain(value)],
    };
    values.into_iter().filter(|value| !value.is_null() && revoked.contains(value)).collect()
}

/// A header's value as JSON has it, where it can be a stamp.
fn plain(value: &message::Value) -> Value {
    match value {
        message::Value::Str(text) => text.as_str().into(),
        message::Value::Bool(value) => (*value).into(),
        message::Value::F64(value) => (*value).into(),
        value => value.as_i64().map_or(Value::Null, Value::from),
    }
}

#[cfg(test)]
mod tests {
    use postrider_core::broker::message::Table;
    use serde_json::json;

    use super::*;

    pub(super) fn stamped(stamp: message::Value) -> Message {
        let stamps = Table::from([("tenant".into(), stamp)]);
        let names = message::Value::Array(vec!["tenant".into()]);
        let headers = Table::from([
            ("stamped_headers".into(), names),
            ("stamps".into(), message::Value::Table(stamps)),
        ]);
        Message { headers, ..Message::default() }
    }

    #[test]
    fn a_stamp_revokes_the_tasks_that_carry_it_alone_or_in_a_list() {
        let revoked = Revoked::default();
        revoked.add_stamps("tenant", &[json!("t1"), json!(7)]);

        assert!(revoked.holds("a", &stamped("t1".into())));
        assert!(revoked.holds("a", &stamped(message::Value::Array(vec!["x".into(), "t1".into()]))));
        assert!(revoked.holds("a", &stamped(message::Value::I32(7))));
        assert!(!revoked.holds("a", &stamped("t2".into())));
        let mut not_stamped = stamped("t1".into());
        not_stamped.headers.insert("stamped_headers".into(), message::Value::Void);
        assert!(!revoked.holds("a", &not_stamped));
    }
}
