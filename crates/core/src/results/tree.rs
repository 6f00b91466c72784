//! A task or a group by its ids alone, as Celery writes it: `[[id, parent], members]` (`ResultBase.as_tuple`).
//!
//! It stands in a result's `children`, and a chord whose header holds groups keeps one of its whole header.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// A task, or a group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultTree {
    /// The id of the task or of the group.
    pub id: String,
    /// The step before it in its chain.
    pub parent: Option<Box<ResultTree>>,
    /// A group's members in their order; `None` for a task.
    pub members: Option<Vec<ResultTree>>,
}

impl ResultTree {
    /// A task.
    pub fn task(id: impl Into<String>) -> Self {
        Self { id: id.into(), parent: None, members: None }
    }

    /// A group.
    pub fn group(id: impl Into<String>, members: Vec<Self>) -> Self {
        Self { id: id.into(), parent: None, members: Some(members) }
    }

    /// The same after a step of a chain.
    #[must_use]
    pub fn after(self, parent: Self) -> Self {
        Self { parent: Some(Box::new(parent)), ..self }
    }

    /// Reads what Celery writes; an id alone is a task too.
    pub fn from_value(value: &Value) -> Option<Self> {
        if let Value::String(id) = value {
            return Some(Self::task(id.as_str()));
        }
        let [own, members] = &value.as_array()?[..] else { return None };
        let (id, parent) = match own {
            Value::String(id) => (id, &Value::Null),
            Value::Array(own) => match &own[..] {
                [Value::String(id), parent] => (id, parent),
                _ => return None,
            },
            _ => return None,
        };
        let parent = match parent {
            Value::Null => None,
            parent => Some(Box::new(Self::from_value(parent)?)),
        };
        let members = match members {
            Value::Null => None,
            Value::Array(members) => Some(members.iter().map(Self::from_value).collect::<Option<_>>()?),
            _ => return None,
        };
        Some(Self { id: id.clone(), parent, members })
    }

    /// What Celery writes.
    pub fn to_value(&self) -> Value {
        let parent = self.parent.as_ref().map(|parent| parent.to_value());
        let members =
            self.members.as_ref().map(|members| members.iter().map(Self::to_value).collect::<Vec<_>>());
        json!([[self.id, parent], members])
    }
}

impl Serialize for ResultTree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ResultTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(&value).ok_or_else(|| serde::de::Error::custom("expected [[id, parent], members]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_written_as_celerys_tuples_and_read_back() {
        let chain = ResultTree::task("b").after(ResultTree::task("a"));
        let cases = [
            (ResultTree::task("a"), json!([["a", null], null])),
            (chain.clone(), json!([["b", [["a", null], null]], null])),
            (
                ResultTree::group("g", vec![chain, ResultTree::task("c")]),
                json!([["g", null], [[["b", [["a", null], null]], null], [["c", null], null]]]),
            ),
        ];
        for (tree, tuple) in cases {
            assert_eq!(tree.to_value(), tuple);
            assert_eq!(ResultTree::from_value(&tuple), Some(tree));
        }
    }

    #[test]
    fn what_is_no_tree_is_none() {
        for other in
            [json!(null), json!([]), json!([["a"], null]), json!([[1, null], null]), json!([["a", null], 1])]
        {
            assert_eq!(ResultTree::from_value(&other), None, "{other}");
        }
        assert_eq!(ResultTree::from_value(&json!("a")), Some(ResultTree::task("a")));
    }
}
