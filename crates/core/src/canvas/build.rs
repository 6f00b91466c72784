//! Putting calls together: what `chain(a, b)`, `group(a, b)` and `a | b` do in Python.

use serde_json::Value;

use super::steps::{finished, merge};
use super::{Canvas, Chord, Group};
use crate::celery::Call;
use crate::task::{Signature, Task};

/// Calls put together, to be enqueued. A payload without a JSON form is an error only then.
#[derive(Debug)]
pub struct Workflow(Result<Canvas, serde_json::Error>);

/// What can stand in a workflow: a task, a call of one with options, a call of a task that only others know, or another
/// workflow.
pub trait Step {
    /// The step as a workflow of its own.
    fn into_workflow(self) -> Workflow;
}

/// Several steps: a tuple, whose members may differ in type, a list or an array.
pub trait Steps {
    /// The steps in their order.
    fn into_workflows(self) -> Vec<Workflow>;
}

/// Calls one after the other, each with the result of the one before it for its first argument, unless it is immutable.
///
/// ```
/// # use postrider_core::canvas::{chain, group};
/// # use postrider_core::celery::Call;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Add(i64, i64);
/// # impl postrider_core::task::Task for Add { const NAME: &'static str = "add"; }
/// let workflow = chain((Add(1, 2), group([Call::new("add").arg(3), Call::new("add").arg(4)]), Call::new("tsum")));
/// ```
pub fn chain(steps: impl Steps) -> Workflow {
    Workflow(collected(steps).map(|steps| {
        let mut merged = Vec::new();
        for step in steps {
            merge(&mut merged, step);
        }
        finished(merged)
    }))
}

/// Calls at once.
pub fn group(members: impl Steps) -> Workflow {
    Workflow(collected(members).map(|members| Canvas::Group(Group { members, ..Group::default() })))
}

/// Calls at once, and then `body` with the list of their results.
pub fn chord(header: impl Steps, body: impl Step) -> Workflow {
    Workflow(collected(header).and_then(|members| {
        let body = Box::new(body.into_workflow().0?);
        let header = match <[Canvas; 1]>::try_from(members) {
            Ok([Canvas::Group(group)]) => group,
            Ok([single]) => Group { members: vec![single], ..Group::default() },
            Err(members) => Group { members, ..Group::default() },
        };
        Ok(Canvas::Chord(Chord::new(header, body)))
    }))
}

fn collected(steps: impl Steps) -> Result<Vec<Canvas>, serde_json::Error> {
    steps.into_workflows().into_iter().map(|step| step.0).collect()
}

impl Workflow {
    /// Calls `callback` with the result.
    #[must_use]
    pub fn link(self, callback: impl Step) -> Self {
        self.linked(callback, Canvas::link)
    }

    /// Calls `errback` with the id of what failed.
    #[must_use]
    pub fn link_error(self, errback: impl Step) -> Self {
        self.linked(errback, Canvas::link_error)
    }

    /// An option, by the name that it has in `apply_async`.
    #[must_use]
    pub fn option(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.map(|mut canvas| {
            canvas.set(name, value);
            canvas
        }))
    }

    /// The canvas; an error where a payload has no JSON form.
    pub fn into_canvas(self) -> Result<Canvas, serde_json::Error> {
        self.0
    }

    /// The canvas as one call, to be an argument or a result.
    pub fn into_call(self) -> Result<Call, serde_json::Error> {
        self.0.map(Call::from)
    }

    fn linked(self, other: impl Step, link: fn(&mut Canvas, &Call)) -> Self {
        Self(self.0.and_then(|mut canvas| {
            link(&mut canvas, &other.into_workflow().into_call()?);
            Ok(canvas)
        }))
    }
}

impl Chord {
    pub(super) fn new(header: Group, body: Box<Canvas>) -> Self {
        Self {
            header,
            body,
            args: Vec::new(),
            kwargs: serde_json::Map::new(),
            options: serde_json::Map::new(),
            immutable: false,
        }
    }
}

impl<T: Task> Step for T {
    fn into_workflow(self) -> Workflow {
        Signature::new(self).into_workflow()
    }
}

impl<T: Task> Step for Signature<T> {
    fn into_workflow(self) -> Workflow {
        Workflow(self.into_call().map(Canvas::Task))
    }
}

impl Step for Call {
    /// A signature that calls itself a group, a chain or a chord and is none is called as the task of that name.
    fn into_workflow(self) -> Workflow {
        let canvas = Canvas::try_from(self.clone()).unwrap_or(Canvas::Task(self));
        Workflow(Ok(canvas))
    }
}

impl Step for Canvas {
    fn into_workflow(self) -> Workflow {
        Workflow(Ok(self))
    }
}

impl Step for Workflow {
    fn into_workflow(self) -> Workflow {
        self
    }
}

impl<S: Step> Steps for Vec<S> {
    fn into_workflows(self) -> Vec<Workflow> {
        self.into_iter().map(Step::into_workflow).collect()
    }
}

impl<S: Step, const N: usize> Steps for [S; N] {
    fn into_workflows(self) -> Vec<Workflow> {
        self.into_iter().map(Step::into_workflow).collect()
    }
}

impl Steps for Workflow {
    fn into_workflows(self) -> Vec<Workflow> {
        vec![self]
    }
}

macro_rules! steps_in_a_tuple {
    ($($step:ident),+) => {
        impl<$($step: Step),+> Steps for ($($step,)+) {
            #[expect(non_snake_case, reason = "a type's name for its value")]
            fn into_workflows(self) -> Vec<Workflow> {
                let ($($step,)+) = self;
                vec![$($step.into_workflow()),+]
            }
        }
    };
}

steps_in_a_tuple!(A);
steps_in_a_tuple!(A, B);
steps_in_a_tuple!(A, B, C);
steps_in_a_tuple!(A, B, C, D);
steps_in_a_tuple!(A, B, C, D, E);
steps_in_a_tuple!(A, B, C, D, E, F);
steps_in_a_tuple!(A, B, C, D, E, F, G);
steps_in_a_tuple!(A, B, C, D, E, F, G, H);
