//! The results of a group's members, for whoever enqueued it.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{AsyncResult, Meta, ResultError, ResultTree, Results, WaitError};

/// A group's results, now or later.
#[derive(Debug, Clone)]
pub struct GroupResult {
    id: String,
    members: Vec<AsyncResult>,
}

impl GroupResult {
    /// The results of the members of that group, in their order.
    pub fn new(
        id: impl Into<String>,
        members: impl IntoIterator<Item = impl Into<String>>,
        results: &Results,
    ) -> Self {
        Self { id: id.into(), members: members.into_iter().map(|id| results.of(id)).collect() }
    }

    pub(super) fn of(id: String, members: Vec<AsyncResult>) -> Self {
        Self { id, members }
    }

    /// The group's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The members' results, in their order.
    pub fn members(&self) -> &[AsyncResult] {
        &self.members
    }

    /// The values of all members in their order, once all have one; the first bad end that is met otherwise.
    pub async fn join<T: DeserializeOwned>(&self, within: Duration) -> Result<Vec<T>, WaitError> {
        let deadline = Instant::now() + within;
        let mut values = Vec::with_capacity(self.members.len());
        for member in &self.members {
            values.push(member.get(deadline.saturating_duration_since(Instant::now())).await?);
        }
        Ok(values)
    }

    /// What is known of the group once all members have ended well, or of the first bad end that is met.
    /// Boxed: a member may be a group itself.
    pub(super) fn wait(&self, within: Duration) -> BoxFuture<'_, Result<Meta, WaitError>> {
        let deadline = Instant::now() + within;
        let wait = async move {
            let mut ends = Vec::with_capacity(self.members.len());
            for member in &self.members {
                let end = member.wait(deadline.saturating_duration_since(Instant::now())).await?;
                if end.state.propagates() {
                    return Ok(end);
                }
                ends.push(end);
            }
            Ok(self.joined(ends))
        };
        wait.boxed()
    }

    /// What is known of the group now, if it is at its end.
    pub(super) fn meta(&self) -> BoxFuture<'_, Result<Option<Meta>, ResultError>> {
        let look = async move {
            let (mut ends, mut open) = (Vec::with_capacity(self.members.len()), false);
            for member in &self.members {
                match member.meta().await? {
                    Some(end) if end.state.propagates() => return Ok(Some(end)),
                    Some(end) if end.state.is_ready() => ends.push(end),
                    _ => open = true,
                }
            }
            Ok(if open { None } else { Some(self.joined(ends)) })
        };
        look.boxed()
    }

    fn joined(&self, ends: Vec<Meta>) -> Meta {
        let done = ends.iter().filter_map(|end| end.date_done).max();
        Meta::joined(self.id.as_str(), ends.into_iter().map(|end| end.result).collect(), done)
    }

    /// Whether every member has come to its end, good or bad.
    pub async fn ready(&self) -> Result<bool, ResultError> {
        for member in &self.members {
            if !member.ready().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets what is known of every member.
    pub async fn forget(&self) -> Result<(), ResultError> {
        for member in &self.members {
            member.forget().await?;
        }
        Ok(())
    }

    /// The group by its ids alone, for [`Results::save_group`].
    pub fn tree(&self) -> ResultTree {
        ResultTree::group(&*self.id, self.members.iter().map(|member| member.tree().clone()).collect())
    }
}
