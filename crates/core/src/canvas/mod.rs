//! Workflows: chains, groups and chords, for who enqueues them and for the worker that carries them on.
//!
//! 1. [`chain`], [`group`] and [`chord`] put typed tasks and [`Call`]s together, in any nesting, into a [`Workflow`]. A
//!    [`Canvas`] is the same as a value.
//! 2. A [`Dispatcher`] makes the messages of it: a [`Plan`], which a producer carries out. Of a chain only the first step
//!    is a message; the others travel in it. Of a group and of a chord's header each member is one.
//! 3. After a task has run, [`follow`] says what comes next, [`replace`] what takes its place.
//!
//! All of it is Celery 5.7's (`celery/canvas.py`, `celery/app/trace.py`), so that steps may be Python's or ours. Nothing
//! here talks to a broker or to a store.

mod accumulate;
mod apply;
mod build;
mod descend;
mod dispatch;
pub mod follow;
mod freeze;
mod lead;
mod outgoing;
mod replace;
mod steps;
mod wire;

pub use accumulate::Accumulate;
pub use build::{Step, Steps, Workflow, chain, chord, group};
pub use dispatch::{DEFAULT_QUEUE, Dispatcher, Parent};
pub use outgoing::{Address, Outgoing, Plan};
pub use replace::{ReplaceError, replace};
pub use wire::CanvasError;

use serde_json::{Map, Value};

use crate::celery::Call;

/// The options of a call or of a canvas, by the names of `apply_async`.
type OptionMap = Map<String, Value>;

/// A call, or calls put together.
#[derive(Debug, Clone, PartialEq)]
pub enum Canvas {
    /// One call.
    Task(Call),
    /// One after the other, each with the result of the one before it.
    Chain(Chain),
    /// All at once.
    Group(Group),
    /// All at once, and then one with the list of their results.
    Chord(Chord),
}

/// Calls one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain {
    /// The steps in their order.
    pub steps: Vec<Canvas>,
    /// The options, some of which go to the first step and some to the last.
    pub options: Map<String, Value>,
}

/// Calls at once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// The members.
    pub members: Vec<Canvas>,
    /// The options, which go to each member.
    pub options: Map<String, Value>,
}

/// Calls at once, and one with their results.
#[derive(Debug, Clone, PartialEq)]
pub struct Chord {
    /// What is called at once.
    pub header: Group,
    /// What is called with the results.
    pub body: Box<Canvas>,
    /// Arguments for each member of the header.
    pub args: Vec<Value>,
    /// Keyword arguments for each member of the header.
    pub kwargs: Map<String, Value>,
    /// The options.
    pub options: Map<String, Value>,
    /// Whether the header takes no result of the step before it.
    pub immutable: bool,
}

impl Canvas {
    /// The options.
    pub fn options(&self) -> &Map<String, Value> {
        match self {
            Self::Task(call) => &call.options,
            Self::Chain(chain) => &chain.options,
            Self::Group(group) => &group.options,
            Self::Chord(chord) => &chord.options,
        }
    }

    /// The options, to be changed.
    pub fn options_mut(&mut self) -> &mut Map<String, Value> {
        match self {
            Self::Task(call) => &mut call.options,
            Self::Chain(chain) => &mut chain.options,
            Self::Group(group) => &mut group.options,
            Self::Chord(chord) => &mut chord.options,
        }
    }

    /// Calls `callback` with the result. Of a chord it is the body's; a group has no result of its own, so that its first
    /// member calls it, without a result.
    pub fn link(&mut self, callback: &Call) {
        match self {
            Self::Task(call) => call.push_call("link", callback),
            Self::Chain(chain) => push_call(&mut chain.options, "link", callback),
            Self::Group(group) => {
                if let Some(first) = group.members.first_mut() {
                    first.link(&callback.clone().immutable());
                }
            }
            Self::Chord(chord) => chord.body.link(callback),
        }
    }

    /// Calls `errback` with the id of what failed. Of a chord that is the body, which fails with its header.
    pub fn link_error(&mut self, errback: &Call) {
        match self {
            Self::Task(call) => call.push_call("link_error", errback),
            Self::Chain(chain) => push_call(&mut chain.options, "link_error", errback),
            Self::Group(group) => {
                for member in &mut group.members {
                    member.link_error(errback);
                }
            }
            Self::Chord(chord) => {
                for member in &mut chord.header.members {
                    if let Self::Chord(_) = member {
                        member.link_error(errback);
                    }
                }
                chord.body.link_error(errback);
            }
        }
    }

    fn link_all(&mut self, callbacks: &[Call]) {
        for callback in callbacks {
            self.link(callback);
        }
    }

    fn link_all_errors(&mut self, errbacks: &[Call]) {
        for errback in errbacks {
            self.link_error(errback);
        }
    }

    fn option(&self, name: &str) -> Option<&Value> {
        self.options().get(name).filter(|value| !value.is_null())
    }

    fn id(&self) -> Option<&str> {
        self.option("task_id")?.as_str()
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.options_mut().insert(name.to_owned(), value.into());
    }
}

/// Adds a call to an option that holds a list of them.
fn push_call(options: &mut OptionMap, name: &str, call: &Call) {
    let mut holder = Call { options: std::mem::take(options), ..Call::default() };
    holder.push_call(name, call);
    *options = holder.options;
}

/// The calls in an option that holds one or a list of them, taken out of it.
fn take_calls(options: &mut OptionMap, name: &str) -> Vec<Call> {
    let taken = options.shift_remove(name).map(|value| (name.to_owned(), value));
    Call { options: taken.into_iter().collect(), ..Call::default() }.calls(name)
}

#[cfg(test)]
mod tests;
