//! Giving each call of a canvas its id before anything of it is published, so that the whole can be waited for.

use serde_json::Value;

use super::{Canvas, Chain, Chord, Dispatcher, Group, OptionMap};
use crate::celery::Call;
use crate::results::ResultTree;

/// Where a canvas stands in a larger one.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// The id that it takes if it has none.
    pub id: Option<String>,
    /// The group that it is a member of.
    pub group_id: Option<String>,
    /// Its place in the group.
    pub group_index: Option<usize>,
    /// The body of the chord that it is a member of.
    pub chord: Option<Call>,
    /// The first task of the workflow.
    pub root_id: Option<String>,
    /// The task that makes the call.
    pub parent_id: Option<String>,
}

impl Dispatcher<'_> {
    /// Gives ids to what has none, and says where everything stands. To do it twice changes nothing.
    pub(super) fn freeze(&self, canvas: &mut Canvas, place: &Place) -> ResultTree {
        match canvas {
            Canvas::Task(call) => self.freeze_task(&mut call.options, place),
            Canvas::Group(group) => self.freeze_group(group, place),
            Canvas::Chain(chain) => self.freeze_chain(chain, place),
            Canvas::Chord(chord) => self.freeze_chord(chord, place),
        }
    }

    fn freeze_task(&self, options: &mut OptionMap, place: &Place) -> ResultTree {
        let id = match options.get("task_id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => place.id.clone().unwrap_or_else(|| self.new_id()),
        };
        set(options, "task_id", Some(id.clone()));
        set(options, "root_id", place.root_id.clone());
        set(options, "parent_id", place.parent_id.clone());
        if !options.contains_key("reply_to") {
            set(options, "reply_to", self.reply_to.map(str::to_owned));
        }
        if !options.contains_key("group_id") {
            set(options, "group_id", place.group_id.clone());
        }
        set(options, "chord", place.chord.clone());
        set(options, "group_index", place.group_index);
        ResultTree::task(id)
    }

    /// Groups in the group become members of it.
    pub(super) fn freeze_group(&self, group: &mut Group, place: &Place) -> ResultTree {
        let options = &mut group.options;
        let id = match options.get("task_id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => self.new_id(),
        };
        set(options, "task_id", Some(id.clone()));
        set(options, "group_id", place.group_id.clone());
        set(options, "chord", place.chord.clone());
        set(options, "group_index", place.group_index);
        let mut inherited = |name: &str, value: &Option<String>| {
            let known = options.entry(name).or_insert(Value::Null);
            if let (Value::Null, Some(value)) = (&*known, value) {
                *known = Value::String(value.clone());
            }
            known.as_str().map(str::to_owned)
        };
        let (root_id, parent_id) =
            (inherited("root_id", &place.root_id), inherited("parent_id", &place.parent_id));
        group.members = flattened(std::mem::take(&mut group.members));
        let members = group.members.iter_mut().enumerate().map(|(index, member)| {
            let place = Place {
                id: None,
                group_id: place.group_id.clone(),
                group_index: Some(index),
                chord: place.chord.clone(),
                root_id: root_id.clone(),
                parent_id: parent_id.clone(),
            };
            self.freeze(member, &place)
        });
        ResultTree::group(id, members.collect())
    }

    fn freeze_chain(&self, chain: &mut Chain, place: &Place) -> ResultTree {
        let prepared = self.prepare(std::mem::take(&mut chain.steps), place, &[], false);
        chain.steps = prepared.reversed.into_iter().rev().collect();
        let tree = prepared.result.unwrap_or_else(|| ResultTree::task(self.new_id()));
        set(&mut chain.options, "task_id", Some(tree.id.clone()));
        tree
    }

    /// The header's members learn of the body when they are published: to carry it in each of them until then would
    /// multiply the size of nested chords.
    fn freeze_chord(&self, chord: &mut Chord, place: &Place) -> ResultTree {
        let header =
            Place { root_id: place.root_id.clone(), parent_id: place.parent_id.clone(), ..Place::default() };
        let header = self.freeze_group(&mut chord.header, &header);
        set(&mut chord.options, "task_id", Some(header.id.clone()));
        let body = self.freeze(&mut chord.body, &Place { parent_id: None, ..place.clone() });
        body.after(header)
    }
}

/// The members, those of groups in the group among them, and no empty chain.
pub(super) fn flattened(members: Vec<Canvas>) -> Vec<Canvas> {
    let mut flat = Vec::with_capacity(members.len());
    for member in members {
        match member {
            Canvas::Group(group) => flat.extend(flattened(group.members)),
            Canvas::Chain(chain) if chain.steps.is_empty() => {}
            member => flat.push(member),
        }
    }
    flat
}

fn set(options: &mut OptionMap, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        options.insert(name.to_owned(), value.into());
    }
}
