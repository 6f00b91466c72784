//! From a canvas to the messages that start it: Celery's `apply_async` of a task, a chain, a group and a chord.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::freeze::{Place, flattened};
use super::lead::hand_on;
use super::steps::{OF_THE_RUN, unroll_chords};
use super::{Canvas, Chain, Chord, Dispatcher, Group, OptionMap, Plan, descend, take_calls};
use crate::celery::{Arguments, Call, Options};
use crate::results::ResultTree;

/// Options that a call keeps when others are given.
const KEPT: [&str; 2] = ["group_id", "stamped_headers"];

/// What a canvas is given when it is called.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub args: Vec<Value>,
    pub kwargs: OptionMap,
    pub options: OptionMap,
    /// Whether it is called as a member of a group, which is the child of its caller as a whole.
    pub in_group: bool,
}

impl Dispatcher<'_> {
    /// Calls a canvas as a part of a plan.
    pub(super) fn call(&self, canvas: Canvas, given: Given, plan: &mut Plan) {
        let result = self.apply(canvas, given, plan);
        plan.results.extend(result);
    }

    fn apply(&self, canvas: Canvas, given: Given, plan: &mut Plan) -> Option<ResultTree> {
        match canvas {
            Canvas::Task(call) => Some(self.apply_task(call, given, plan)),
            Canvas::Chain(chain) => self.apply_chain(chain, given, plan),
            Canvas::Group(group) => Some(self.apply_group(group, given, plan)),
            Canvas::Chord(chord) => Some(self.apply_chord(chord, given, plan)),
        }
    }

    fn apply_task(&self, mut call: Call, given: Given, plan: &mut Plan) -> ResultTree {
        // `celery.map`, `celery.starmap` and `celery.chunks` have all their arguments by name.
        if !call.immutable && call.subtask_type.is_none() {
            call.args = call.args_with(&given.args);
            call.kwargs.extend(given.kwargs);
        }
        let mut options = Options::read(&merged(call.options, given.options));
        if call.subtask_type.is_some() && options.queue.is_none() {
            // Who runs the task for each item knows that task.
            let each = call.kwargs.get("task").and_then(|task| task.get("task")).and_then(Value::as_str);
            options.queue = each.and_then(|task| self.queue_of(task, None)).map(str::to_owned);
        }
        let known = self.tasks.get(call.task.as_str());
        let arguments = Arguments { args: call.args, kwargs: call.kwargs };
        let outgoing = self.outgoing(&call.task, &arguments, options, known);
        let result = ResultTree::task(outgoing.id.clone());
        plan.outgoing.push(outgoing);
        if !given.in_group {
            plan.children.push(result.clone());
        }
        result
    }

    fn apply_chain(&self, chain: Chain, given: Given, plan: &mut Plan) -> Option<ResultTree> {
        let mut options = chain.options;
        options.extend(given.options);
        let (links, errbacks) = (take_calls(&mut options, "link"), take_calls(&mut options, "link_error"));
        let text = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
        let place = Place {
            id: text("task_id"),
            group_id: text("group_id"),
            group_index: options.get("group_index").and_then(Value::as_u64).and_then(|n| n.try_into().ok()),
            chord: options.get("chord").and_then(|chord| serde_json::from_value(chord.clone()).ok()),
            root_id: text("root_id"),
            parent_id: None,
        };
        let mut steps = VecDeque::from(chain.steps);
        hand_on(&mut steps, &given.args, &given.kwargs);
        let mut prepared = self.prepare(steps.into(), &place, &errbacks, true);
        if let Some(last) = prepared.reversed.first_mut() {
            last.link_all(&links);
        }
        let first = prepared.reversed.pop()?;
        let is_single = prepared.reversed.is_empty();
        options.retain(|name, _| !OF_THE_RUN.contains(&name.as_str()));
        // The steps of an outer chain come after all of these.
        let mut rest = match options.shift_remove("chain") {
            Some(Value::Array(rest)) => rest,
            _ => Vec::new(),
        };
        rest.extend(prepared.reversed.into_iter().map(|step| Value::from(Call::from(step))));
        if !rest.is_empty() {
            options.insert("chain".into(), Value::Array(rest));
        }
        let given = Given { options, in_group: given.in_group, ..Given::default() };
        let applied = self.apply(first, given, plan);
        if is_single { applied } else { prepared.result }
    }

    fn apply_group(&self, group: Group, given: Given, plan: &mut Plan) -> ResultTree {
        let mut options = merged(group.options, given.options);
        options.retain(|_, value| !value.is_null());
        let id = match options.shift_remove("task_id") {
            Some(Value::String(id)) => id,
            _ => self.new_id(),
        };
        options.shift_remove("group_index");
        options.insert("group_id".into(), json!(id));
        let root_id = options.get("root_id").and_then(Value::as_str).map(str::to_owned);
        let mut members = flattened(group.members);
        for (index, member) in members.iter_mut().enumerate() {
            let place = Place {
                group_id: Some(id.clone()),
                root_id: root_id.clone(),
                group_index: Some(index),
                ..Place::default()
            };
            self.freeze(member, &place);
        }
        let in_chord = options.contains_key("chord")
            || members.last().is_some_and(|member| member.option("chord").is_some());
        if in_chord {
            plan.chords.push((id.clone(), members.iter().map(descend::results_of).sum()));
        }
        let mut results: Vec<ResultTree> = members
            .into_iter()
            .filter_map(|member| {
                let given = Given {
                    args: given.args.clone(),
                    kwargs: given.kwargs.clone(),
                    options: options.clone(),
                    in_group: true,
                };
                self.apply(member, given, plan)
            })
            .collect();
        let result = match results.pop() {
            Some(only) if results.is_empty() && only.members.is_some() => only,
            last => {
                results.extend(last);
                ResultTree::group(id, results)
            }
        };
        if !given.in_group {
            plan.children.push(result.clone());
        }
        result
    }

    fn apply_chord(&self, chord: Chord, given: Given, plan: &mut Plan) -> ResultTree {
        let Chord { mut header, body, mut args, mut kwargs, options: own, immutable } = chord;
        if !immutable {
            args.splice(0..0, given.args);
        }
        kwargs.extend(given.kwargs);
        let mut options = own;
        let id = header.options.get("task_id").or(options.get("task_id")).and_then(Value::as_str);
        let id = id.map_or_else(|| self.new_id(), str::to_owned);
        let given_root = given.options.get("root_id").cloned();
        options.extend(given.options);
        // The header waits, and the body comes after it.
        let wait: OptionMap = ["countdown", "eta"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), options.shift_remove(name)?)))
            .collect();
        let body_id = options.shift_remove("task_id").and_then(|id| id.as_str().map(str::to_owned));
        let (links, errbacks) = (take_calls(&mut options, "link"), take_calls(&mut options, "link_error"));
        let mut body = *body;
        let root_id =
            given_root.as_ref().or(body.option("root_id")).and_then(Value::as_str).map(str::to_owned);
        body.link_all(&links);
        for errback in &errbacks {
            match &mut body {
                Canvas::Group(_) => body.link_error(errback),
                body => super::push_call(body.options_mut(), "link_error", errback),
            }
        }
        // The member that completes the chord is the body's parent.
        let for_body = options.iter().filter(|(name, _)| *name != "parent_id");
        body.options_mut().extend(for_body.map(|(name, value)| (name.clone(), value.clone())));
        if let Canvas::Chain(chain) = &mut body {
            unroll_chords(chain);
        }
        let place =
            Place { id: body_id, group_id: Some(id.clone()), root_id: root_id.clone(), ..Place::default() };
        let result = self.freeze(&mut body, &place);
        if header.members.is_empty() {
            let empty = Given { args: vec![json!([])], in_group: given.in_group, ..Given::default() };
            self.apply(body, empty, plan);
            return result.after(ResultTree::group(id, Vec::new()));
        }
        options.retain(|name, _| !["chain", "chord"].contains(&name.as_str()));
        header.options.insert("task_id".into(), json!(id));
        let place = Place { group_id: Some(id), chord: Some(body.into()), root_id, ..Place::default() };
        let of_header = self.freeze_group(&mut header, &place);
        if of_header.members.iter().flatten().any(|member| member.members.is_some()) {
            plan.headers.push(of_header.clone());
        }
        options.extend(wait);
        self.apply_group(header, Given { args, kwargs, options, in_group: given.in_group }, plan);
        result.after(of_header)
    }
}

/// A call's own options with others, which count more but for those that a call keeps.
fn merged(mut own: OptionMap, given: OptionMap) -> OptionMap {
    let stamps: Vec<String> = match own.get("stamped_headers") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    for (name, value) in given {
        let kept = KEPT.contains(&name.as_str()) || stamps.contains(&name);
        if !(value.is_null() || kept && own.contains_key(&name)) {
            own.insert(name, value);
        }
    }
    own
}
