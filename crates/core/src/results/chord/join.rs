//! The values of a complete chord, in the shape of its header, or the exception that its body fails with.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::super::{ResultTree, Results, State, WaitError};
use crate::celery::Exception;

/// How long a header with groups in it waits for results that are not stored yet (`result_chord_join_timeout`).
const JOIN_TIMEOUT: Duration = Duration::from_secs(3);

/// A recorded member: `[1, id, state, result]`.
#[derive(Debug, Deserialize)]
pub(super) struct Member(
    #[expect(dead_code, reason = "Celery's mark of the format")] Value,
    String,
    State,
    Value,
);

/// Why there are no values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NotJoined {
    /// A `ChordError`.
    pub exception: Exception,
    /// What the member raised, where it is the reason and is known.
    pub cause: Option<Box<Exception>>,
}

impl Member {
    /// The values of a flat header, or the first failure.
    pub(super) fn values(members: &[Vec<u8>]) -> Result<Vec<Value>, NotJoined> {
        members.iter().map(|member| Self::value(member)).collect()
    }

    fn value(member: &[u8]) -> Result<Value, NotJoined> {
        let Self(_, id, state, result) = serde_json::from_slice(member)
            .map_err(|_| NotJoined::of("a member's result is not JSON of Celery's form"))?;
        if state.propagates() { Err(NotJoined::dependency(&id, &result)) } else { Ok(result) }
    }
}

impl NotJoined {
    fn of(why: &str) -> Self {
        Self { exception: Exception::chord_error(format!("Join error: {why}")), cause: None }
    }

    /// What Celery makes of a member that failed.
    fn dependency(id: &str, result: &Value) -> Self {
        let cause = Exception::from_value(result).map(Box::new);
        let raised = cause.as_ref().map_or_else(|| "None".to_owned(), |cause| cause.repr());
        Self { exception: Exception::chord_error(format!("Dependency {id} raised {raised}")), cause }
    }
}

impl Results {
    /// The values of a header with groups in it, nested as it is: each task's own stored result.
    pub(super) async fn join_group(&self, kept: &[u8]) -> Result<Vec<Value>, NotJoined> {
        #[derive(Deserialize)]
        struct Kept {
            result: ResultTree,
        }
        let Kept { result: tree } = serde_json::from_slice(kept)
            .map_err(|_| NotJoined::of("what is kept of the group cannot be read"))?;
        let mut values = HashMap::new();
        let joined = tokio::time::timeout(JOIN_TIMEOUT, async {
            for id in tree.tasks() {
                // The limit is one for all of them, and is set around them.
                let meta = self.wait(id, JOIN_TIMEOUT).await?;
                if let Some(error) = WaitError::of(&meta) {
                    return Err(error);
                }
                values.insert(id.to_owned(), meta.result);
            }
            Ok(())
        });
        match joined.await {
            Ok(Ok(())) => Ok(nested(&tree, &mut values)),
            Ok(Err(WaitError::Failed(exception) | WaitError::Revoked(exception))) => {
                Err(NotJoined::of(&exception.repr()))
            }
            Ok(Err(WaitError::Timeout(_))) | Err(_) => {
                Err(NotJoined::of("TimeoutError('The operation timed out.')"))
            }
            Ok(Err(error)) => Err(NotJoined::of(&error.to_string())),
        }
    }
}

/// The values of a group's members, a list for each group among them.
fn nested(tree: &ResultTree, values: &mut HashMap<String, Value>) -> Vec<Value> {
    let members = tree.members.iter().flatten();
    members
        .map(|member| match &member.members {
            Some(_) => Value::Array(nested(member, values)),
            None => values.get(&member.id).cloned().unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_read_as_python_and_rust_write_them() {
        let python = br#"[1, "a", "SUCCESS", 3]"#.to_vec();
        let rust = br#"[1,"b","SUCCESS",{"x":1}]"#.to_vec();
        assert_eq!(Member::values(&[python, rust]).unwrap(), [json!(3), json!({"x": 1})]);
    }

    #[test]
    fn the_first_member_that_failed_fails_the_body_in_celerys_words() {
        let boom = json!({"exc_type": "ValueError", "exc_message": ["boom", 1], "exc_module": "builtins"});
        let revoked = Exception::task_revoked("expired").to_value();
        let members = [
            json!([1, "a", "SUCCESS", 3]).to_string().into_bytes(),
            json!([1, "b", "FAILURE", boom]).to_string().into_bytes(),
            json!([1, "c", "REVOKED", revoked]).to_string().into_bytes(),
        ];

        let failed = Member::values(&members).unwrap_err();

        assert_eq!(failed.exception, Exception::chord_error("Dependency b raised ValueError('boom', 1)"));
        assert_eq!(failed.cause.unwrap().args, [json!("boom"), json!(1)]);
        let last = Member::values(&members[2..]).unwrap_err();
        assert_eq!(last.exception.args, [json!("Dependency c raised TaskRevokedError('expired')")]);
        let unreadable = Member::values(&[b"\0celery-compressed\0".to_vec()]).unwrap_err();
        assert_eq!((unreadable.exception.kind.as_str(), unreadable.cause), ("ChordError", None));
    }
}
