//! A task or a group by its ids alone, as Celery writes it: `[[id, parent], members]` (`ResultBase.as_tuple`).
//!
//! It stands in a result's `children`, and a chord whose header holds groups keeps one of its whole header.
//!
//! The steps before a task lie side by side here, in each other only where they are written: a chain has any number of
//! steps, and nothing may need a stack as deep as a chain is long.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// How many steps before a task are written. Each lies two lists deep in the one after it, and a reader of JSON gives up
/// at 128, Python's own not far beyond.
const WRITTEN: usize = 32;

/// A task, or a group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultTree {
    /// The id of the task or of the group.
    pub id: String,
    /// A group's members in their order; `None` for a task.
    pub members: Option<Vec<ResultTree>>,
    /// The steps before it in its chain, the nearest one first. None of them has any here.
    before: Vec<ResultTree>,
}

impl ResultTree {
    /// A task.
    pub fn task(id: impl Into<String>) -> Self {
        Self { id: id.into(), members: None, before: Vec::new() }
    }

    /// A group.
    pub fn group(id: impl Into<String>, members: Vec<Self>) -> Self {
        Self { id: id.into(), members: Some(members), before: Vec::new() }
    }

    /// The same with a step of a chain, and those before that, in front of its first step.
    #[must_use]
    pub fn after(mut self, mut parent: Self) -> Self {
        let further = std::mem::take(&mut parent.before);
        self.before.push(parent);
        self.before.extend(further);
        self
    }

    /// The step before it in its chain, with those before that.
    pub fn parent(&self) -> Option<Self> {
        let (nearest, further) = self.before.split_first()?;
        Some(Self { before: further.to_vec(), ..nearest.clone() })
    }

    /// The ids of its tasks, in order: its own, or those of a group's members.
    pub fn tasks(&self) -> Vec<&str> {
        match &self.members {
            None => vec![&self.id],
            Some(members) => members.iter().flat_map(Self::tasks).collect(),
        }
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
        let members = match members {
            Value::Null => None,
            Value::Array(members) => Some(members.iter().map(Self::from_value).collect::<Option<_>>()?),
            _ => return None,
        };
        let tree = Self { id: id.clone(), members, before: Vec::new() };
        match parent {
            Value::Null => Some(tree),
            parent => Some(tree.after(Self::from_value(parent)?)),
        }
    }

    /// What Celery writes, but for steps that lie so far back that nobody could read them.
    pub fn to_value(&self) -> Value {
        let nearest = self.before.iter().take(WRITTEN).rev();
        let parent = nearest.fold(Value::Null, |before, step| step.written(&before));
        self.written(&parent)
    }

    fn written(&self, parent: &Value) -> Value {
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
    fn of_a_long_chain_as_many_steps_are_written_as_can_be_read() {
        let last =
            (0..1000).fold(ResultTree::task("last"), |tree, n| tree.after(ResultTree::task(n.to_string())));

        let text = last.to_value().to_string();

        let read = ResultTree::from_value(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!((read.id.as_str(), read.before.len()), ("last", WRITTEN));
        assert_eq!(read.parent().unwrap().parent().unwrap().id, "1");
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
