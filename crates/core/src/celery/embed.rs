//! What follows a task, as its message says: links, error links, the rest of a chain, and the body of a chord.
//!
//! Most tasks have none of it, and reading that costs no allocation.

use std::fmt;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::call::Call;

/// What follows a task.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Embed {
    /// Called with the result.
    #[serde(serialize_with = "null_for_none")]
    pub callbacks: Vec<Call>,
    /// Called with the task id after a failure.
    #[serde(serialize_with = "null_for_none")]
    pub errbacks: Vec<Call>,
    /// The steps after it, the next one last.
    #[serde(serialize_with = "null_for_none")]
    pub chain: Vec<Call>,
    /// The body of the chord that the task is a member of.
    pub chord: Option<Box<Call>>,
}

impl Embed {
    /// Whether nothing follows.
    pub fn is_empty(&self) -> bool {
        self.callbacks.is_empty() && self.errbacks.is_empty() && self.chain.is_empty() && self.chord.is_none()
    }
}

/// Celery writes `null` where there is nothing.
fn null_for_none<S: serde::Serializer>(calls: &[Call], serializer: S) -> Result<S::Ok, S::Error> {
    if calls.is_empty() { serializer.serialize_none() } else { serializer.collect_seq(calls) }
}

impl<'de> Deserialize<'de> for Embed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EmbedVisitor)
    }
}

struct EmbedVisitor;

impl<'de> Visitor<'de> for EmbedVisitor {
    type Value = Embed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what follows a task")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Embed, E> {
        Ok(Embed::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Embed, A::Error> {
        let mut embed = Embed::default();
        while let Some(name) = map.next_key::<Name>()? {
            match name {
                Name::Callbacks => embed.callbacks = map.next_value::<Calls>()?.0,
                Name::Errbacks => embed.errbacks = map.next_value::<Calls>()?.0,
                Name::Chain => embed.chain = map.next_value::<Calls>()?.0,
                Name::Chord => embed.chord = map.next_value()?,
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(embed)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Callbacks,
    Errbacks,
    Chain,
    Chord,
    #[serde(other)]
    Other,
}

/// A list of calls, a single one, or nothing.
struct Calls(Vec<Call>);

impl<'de> Deserialize<'de> for Calls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CallsVisitor)
    }
}

struct CallsVisitor;

impl<'de> Visitor<'de> for CallsVisitor {
    type Value = Calls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of signatures")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Calls, E> {
        Ok(Calls(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Calls, A::Error> {
        let mut calls = Vec::new();
        while let Some(call) = seq.next_element()? {
            calls.push(call);
        }
        Ok(Calls(calls))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Calls, A::Error> {
        Call::deserialize(de::value::MapAccessDeserializer::new(map)).map(|call| Calls(vec![call]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn nothing_is_written_in_every_way_and_read_as_nothing() {
        for nothing in [
            json!(null),
            json!({}),
            json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null}),
            json!({"callbacks": [], "later": {"x": 1}}),
        ] {
            assert!(serde_json::from_value::<Embed>(nothing).unwrap().is_empty());
        }
        let written = serde_json::to_value(Embed::default()).unwrap();
        assert_eq!(written, json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null}));
    }

    #[test]
    fn a_single_call_may_stand_for_a_list_and_a_text_may_not() {
        let embed: Embed = serde_json::from_value(json!({"callbacks": {"task": "add"}})).unwrap();
        assert_eq!(embed.callbacks, [Call::new("add")]);

        for wrong in
            [json!({"callbacks": ["add"]}), json!({"chord": "add"}), json!(["add"]), json!({"chain": 1})]
        {
            assert!(serde_json::from_value::<Embed>(wrong).is_err());
        }
    }

    #[test]
    fn what_celery_wrote_is_written_again_as_it_was() {
        for (name, calls) in [
            ("task-link", 2),
            ("task-link-immutable-list", 2),
            ("chain", 2),
            ("chain-with-group", 1),
            ("chord", 1),
            ("task-delay", 0),
        ] {
            let captured = crate::celery::fixtures::captured(name);
            let wire = &captured[0]["body_json"][2];

            let embed: Embed = serde_json::from_value(wire.clone()).unwrap();

            assert_eq!(serde_json::to_value(&embed).unwrap(), *wire, "{name}");
            let chord = usize::from(embed.chord.is_some());
            let count = embed.callbacks.len() + embed.errbacks.len() + embed.chain.len() + chord;
            assert_eq!(count, calls, "{name}");
            assert_eq!(
                embed.is_empty(),
                *wire == json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null})
            );
            assert!(wire["later"] == Value::Null);
        }
    }
}
