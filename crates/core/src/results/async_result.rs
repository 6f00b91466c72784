//! The result of one task, or of a group of them, for whoever enqueued it.
//!
//! Nothing is stored under a group's own id: what is known of it is what is known of its members.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{GroupResult, Meta, ResultError, ResultTree, Results, State, WaitError};
use crate::broker::InquiryError;
use crate::celery::Arguments;
use crate::celery::control::Request;
use crate::remote::Remote;

/// The result of a task, or of all members of a group together, now or later.
#[derive(Debug, Clone)]
pub struct AsyncResult {
    tree: ResultTree,
    results: Results,
}

impl AsyncResult {
    /// The result of the task of that id.
    pub fn new(id: impl Into<String>, results: Results) -> Self {
        Self { tree: ResultTree::task(id), results }
    }

    /// The result of what has these ids: Celery's `result_from_tuple`.
    pub fn of(tree: ResultTree, results: Results) -> Self {
        Self { tree, results }
    }

    /// The task's or the group's id.
    pub fn id(&self) -> &str {
        &self.tree.id
    }

    /// The members of a group; `None` for a task.
    pub fn group(&self) -> Option<GroupResult> {
        let members = self.tree.members.as_ref()?;
        let members = members.iter().map(|tree| Self::of(tree.clone(), self.results.clone())).collect();
        Some(GroupResult::of(self.id().to_owned(), members))
    }

    pub(super) fn tree(&self) -> &ResultTree {
        &self.tree
    }

    /// The task's value, once it has one; of a group the list of its members' values. It is read as an argument is, dates
    /// and bytes of Python's included.
    pub async fn get<T: DeserializeOwned>(&self, within: Duration) -> Result<T, WaitError> {
        let meta = self.wait(within).await?;
        match WaitError::of(&meta) {
            Some(error) => Err(error),
            None => returned(meta),
        }
    }

    /// All that is known of the task once it has come to its end, good or bad.
    pub async fn wait(&self, within: Duration) -> Result<Meta, WaitError> {
        match self.group() {
            None => self.results.wait(self.id(), within).await,
            Some(group) => group.wait(within).await,
        }
    }

    /// All that is known of the task now; `None` where nothing is, and for a group until all have ended well or one badly.
    pub async fn meta(&self) -> Result<Option<Meta>, ResultError> {
        match self.group() {
            None => self.results.get(self.id()).await,
            Some(group) => group.meta().await,
        }
    }

    /// How far the task has got. One that nothing is known of waits.
    pub async fn state(&self) -> Result<State, ResultError> {
        Ok(self.meta().await?.map_or(State::Pending, |meta| meta.state))
    }

    /// Whether the task has come to its end, good or bad.
    pub async fn ready(&self) -> Result<bool, ResultError> {
        Ok(self.state().await?.is_ready())
    }

    /// Whether the task has returned a value.
    pub async fn successful(&self) -> Result<bool, ResultError> {
        Ok(self.state().await? == State::Success)
    }

    /// Whether the task has failed.
    pub async fn failed(&self) -> Result<bool, ResultError> {
        Ok(self.state().await? == State::Failure)
    }

    /// The tasks that the task has published: its links, the next steps of its chain, its retries, and its own calls.
    pub async fn children(&self) -> Result<Vec<Self>, ResultError> {
        if let Some(group) = self.group() {
            return Ok(group.members().to_vec());
        }
        let trees = self.meta().await?.and_then(|meta| meta.children).unwrap_or_default();
        Ok(trees.into_iter().map(|tree| Self::of(tree, self.results.clone())).collect())
    }

    /// The step before this one in its chain, where the id came with it.
    pub fn parent(&self) -> Option<Self> {
        Some(Self::of(self.tree.parent()?, self.results.clone()))
    }

    /// Forgets what is known of the task.
    pub async fn forget(&self) -> Result<(), ResultError> {
        for id in self.tree.tasks() {
            self.results.forget(id).await?;
        }
        Ok(())
    }

    /// Asks all workers not to run the task, or any member of the group, and with `terminate` to end it where it runs.
    /// They are not waited for; a worker of ours and one of Python's does as it is asked.
    pub async fn revoke(&self, remote: &Remote, terminate: bool) -> Result<(), InquiryError> {
        let ids = match self.tree.members {
            None => Value::from(self.id()),
            Some(_) => self.tree.tasks().into(),
        };
        let arguments = [
            ("task_id".to_owned(), ids),
            ("terminate".to_owned(), terminate.into()),
            ("signal".to_owned(), Value::Null),
        ];
        remote.cast(&Request::new("revoke", arguments.into_iter().collect())).await
    }
}

/// A value is what its task's type says, as an argument is: the one field of a call.
fn returned<T: DeserializeOwned>(meta: Meta) -> Result<T, WaitError> {
    #[derive(Deserialize)]
    struct Returned<T> {
        value: T,
    }
    let call = Arguments { args: vec![meta.result], kwargs: Map::new() };
    call.decode::<Returned<T>>().map(|returned| returned.value).map_err(WaitError::Value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::broker::{Broker, Heard, MailboxConfig, MemoryBroker, Namespace};
    use crate::clock::Clock;
    use crate::shutdown::Shutdown;

    #[tokio::test]
    async fn a_revoke_is_the_request_that_celerys_client_broadcasts() {
        let shutdown = Shutdown::new();
        let broker = Broker::Memory(MemoryBroker::new(&shutdown));
        let (namespace, node) = (Namespace::default(), "w1@host".to_owned());
        let remote = Remote::new(broker.clone(), namespace.clone(), Clock::System);
        let mut mailbox = broker.mailbox(MailboxConfig { node, namespace, elections: false }, &shutdown);
        assert!(matches!(mailbox.next().await, Some(Heard::Connected)));

        Results::None.of("a").revoke(&remote, true).await.unwrap();

        let Some(Heard::Request(message)) = mailbox.next().await else { panic!() };
        let request = Request::read(&message, 0.0).unwrap();
        assert_eq!(request.method, "revoke");
        let expected = json!({"task_id": "a", "terminate": true, "signal": null});
        assert_eq!(Value::Object(request.arguments), expected);
        assert_eq!(request.reply_to, None);
    }
}
