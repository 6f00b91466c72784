//! What comes after a task that has run: its links, the next step of its chain, and its part in a chord.
//!
//! After a success, in Celery's order: [`after_success`] gives what is to be published, the result is stored, and a
//! [`Member`] of a chord is recorded (`Results::chord_part`); who completes the chord publishes [`chord_ready`]. After a
//! failure, [`after_failure`] names every result that fails with it, and what hears of it.
//!
//! The ids of a chain's steps are in it from the start, those of links are made here: a plan that is published again is
//! the same plan, not one that is made anew.

use serde_json::{Value, json};

use super::apply::Given;
use super::wire::within_bounds;
use super::{Canvas, CanvasError, Dispatcher, Group, OptionMap, Plan, take_calls};
use crate::celery::{Call, Embed, Request};
use crate::results::ResultTree;

/// A task's part in a chord.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The task id.
    pub id: String,
    /// The group of the chord's header.
    pub group_id: String,
    /// The place in it.
    pub group_index: Option<u32>,
    /// The body of the chord.
    pub chord: Call,
}

/// What a failure brings with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Failure {
    /// What is published: the errbacks, each with the id of what failed.
    pub plan: Plan,
    /// What fails too, with the same exception: the steps that will not come, or the body of a chord.
    pub failed: Vec<String>,
    /// Chords that have one member less to wait for, and fail.
    pub members: Vec<Member>,
    /// The children that the results of `failed` name: the errbacks of a chord's body, which Celery calls before it
    /// fails it.
    pub children: Vec<ResultTree>,
}

impl Member {
    /// The part that a task has in a chord, if it is in one.
    pub fn of(request: Request<'_>, embed: &Embed) -> Option<Self> {
        Some(Self {
            id: request.id().to_owned(),
            group_id: request.group()?.to_owned(),
            group_index: request.group_index().and_then(|index| index.try_into().ok()),
            chord: embed.chord.as_deref()?.clone(),
        })
    }

    /// The part that a step has that will not come.
    fn of_step(call: &Call) -> Option<Self> {
        Some(Self {
            id: call.task_id()?.to_owned(),
            group_id: call.options.get("group_id")?.as_str()?.to_owned(),
            group_index: call
                .options
                .get("group_index")
                .and_then(Value::as_u64)
                .and_then(|index| index.try_into().ok()),
            chord: serde_json::from_value(call.options.get("chord")?.clone()).ok()?,
        })
    }

    /// The same, whose chord does not call these errbacks again: Celery gives what is linked to a chord to the bodies of
    /// the chords in its header too.
    fn without(mut self, called: &[Call]) -> Self {
        let mut errbacks = take_calls(&mut self.chord.options, "link_error");
        errbacks.retain(|errback| !called.contains(errback));
        if !errbacks.is_empty() {
            self.chord.options.insert("link_error".into(), json!(errbacks));
        }
        self
    }
}

/// Whether everything that follows can be called: worth knowing before the task is run.
pub fn check(embed: &Embed) -> Result<(), CanvasError> {
    let Embed { callbacks, errbacks, chain, chord } = embed;
    within_bounds(chain.len())?;
    let mut calls = callbacks.iter().chain(errbacks).chain(chain).chain(chord.as_deref());
    calls.try_for_each(|call| Canvas::try_from(call.clone()).map(|_| ()))
}

/// What is published after a success: the links, and the next step of the chain with the rest of it.
pub fn after_success(dispatcher: &Dispatcher<'_>, embed: &Embed, value: &Value) -> Result<Plan, CanvasError> {
    let mut plan = Plan::default();
    let given = |options| Given { args: vec![value.clone()], options, ..Given::default() };
    let parent = inherited(dispatcher);
    let links: Vec<Canvas> =
        embed.callbacks.iter().cloned().map(Canvas::try_from).collect::<Result<_, _>>()?;
    if links.len() == 1 {
        for link in links {
            dispatcher.call(link, given(parent.clone()), &mut plan);
        }
    } else {
        let (groups, members): (Vec<_>, Vec<_>) =
            links.into_iter().partition(|link| matches!(link, Canvas::Group(_)));
        let members = (!members.is_empty()).then(|| Canvas::Group(Group { members, ..Group::default() }));
        for link in groups.into_iter().chain(members) {
            dispatcher.call(link, given(parent.clone()), &mut plan);
        }
    }
    if let Some((next, rest)) = embed.chain.split_last() {
        let mut options = parent;
        if !rest.is_empty() {
            options.insert("chain".into(), json!(rest));
        }
        dispatcher.call(Canvas::try_from(next.clone())?, given(options), &mut plan);
    }
    Ok(plan)
}

/// What a failure of this task brings with it.
pub fn after_failure(
    dispatcher: &Dispatcher<'_>,
    request: Request<'_>,
    embed: &Embed,
) -> Result<Failure, CanvasError> {
    let mut failure = Failure::default();
    failure.members.extend(Member::of(request, embed));
    failure.fail_chain(embed.chain.clone());
    failure.plan = errbacks(dispatcher, (request.id(), request.root_id()), embed.errbacks.clone())?;
    Ok(failure)
}

/// What is published when the last member of a chord has come: its body, with the members' values.
pub fn chord_ready(
    dispatcher: &Dispatcher<'_>,
    chord: &Call,
    values: Vec<Value>,
) -> Result<Plan, CanvasError> {
    let mut plan = Plan::default();
    let given = Given { args: vec![Value::Array(values)], ..Given::default() };
    dispatcher.call(Canvas::try_from(chord.clone())?, given, &mut plan);
    Ok(plan)
}

/// What it brings with it that a chord's body cannot be called, because a member has failed.
pub fn chord_failed(dispatcher: &Dispatcher<'_>, chord: &Call) -> Result<Failure, CanvasError> {
    let mut failure = Failure::default();
    let body = Canvas::try_from(chord.clone())?;
    let bodies = match &body {
        Canvas::Group(group) => {
            failure.failed.extend(body.id().map(str::to_owned));
            let mut members = group.members.clone();
            let of_all = take_calls(&mut group.options.clone(), "link_error");
            for member in &mut members {
                member.link_all_errors(&of_all);
            }
            members
        }
        body => vec![body.clone()],
    };
    for mut member in bodies {
        // A chord's result is that of its body.
        let mut callbacks = take_calls(member.options_mut(), "link_error");
        while let Canvas::Chord(chord) = member {
            member = *chord.body;
            callbacks.extend(take_calls(member.options_mut(), "link_error"));
        }
        let id = member.id().map_or_else(|| dispatcher.new_id(), str::to_owned);
        // It never began, so that it is the root of what it calls.
        let plan = errbacks(dispatcher, (&id, &id), callbacks.clone())?;
        failure.children.extend(plan.children.iter().cloned());
        failure.plan.results.extend(plan.results);
        failure.plan.children.extend(plan.children);
        failure.plan.outgoing.extend(plan.outgoing);
        match member {
            // Its id is that of its last step.
            Canvas::Chain(chain) => failure.fail_chain(chain.steps.into_iter().map(Call::from).collect()),
            member => {
                let part = Member::of_step(&member.into());
                failure.members.extend(part.map(|part| part.without(&callbacks)));
                failure.failed.push(id);
            }
        }
    }
    let mut options = body.options().clone();
    failure.fail_chain(take_calls(&mut options, "chain"));
    Ok(failure)
}

impl Failure {
    /// The steps of a chain that will not come, in any order, and the bodies of chords among them.
    fn fail_chain(&mut self, mut steps: Vec<Call>) {
        while let Some(step) = steps.pop() {
            self.failed.extend(step.task_id().map(str::to_owned));
            self.members.extend(Member::of_step(&step));
            if step.subtask_type.as_deref() == Some("chord")
                && let Some(body) = step.kwargs.get("body")
            {
                steps.extend(serde_json::from_value::<Call>(body.clone()));
            }
        }
    }
}

/// Errbacks are called with the id of what failed, whatever they take: a Python worker would call some of its own with
/// the exception as an object, which cannot be sent.
fn errbacks(
    dispatcher: &Dispatcher<'_>,
    (failed, root): (&str, &str),
    errbacks: Vec<Call>,
) -> Result<Plan, CanvasError> {
    let mut plan = Plan::default();
    let members: Vec<Canvas> = errbacks.into_iter().map(Canvas::try_from).collect::<Result<_, _>>()?;
    if !members.is_empty() {
        let ids = [("parent_id", failed), ("root_id", root)];
        let options = ids.into_iter().map(|(name, id)| (name.to_owned(), json!(id))).collect();
        let given = Given { args: vec![json!(failed)], options, ..Given::default() };
        dispatcher.call(Canvas::Group(Group { members, ..Group::default() }), given, &mut plan);
    }
    Ok(plan)
}

/// What comes after a task has it for its parent.
fn inherited(dispatcher: &Dispatcher<'_>) -> OptionMap {
    let of = |(name, id): (&str, &str)| (name.to_owned(), json!(id));
    let ids = dispatcher.parent.map(|parent| [("parent_id", parent.id), ("root_id", parent.root)]);
    ids.into_iter().flatten().map(of).collect()
}
