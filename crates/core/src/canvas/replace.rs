//! Another canvas in the place of a task that runs: Celery's `self.replace(sig)`.
//!
//! The canvas takes over the task's id, so that whoever waits for its result waits for the canvas's, and with it the
//! links, the rest of the chain, and the place in a group or a chord.

use serde_json::Value;

use super::freeze::Place;
use super::steps::joined;
use super::{Canvas, CanvasError, Chord, Dispatcher, Plan};
use crate::celery::{Call, Embed, Exception, Request};

/// The task that gives a group with one result to what comes after it.
const ACCUMULATE: &str = "celery.accumulate";

/// Why a canvas cannot take the place of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// It is a member of a chord of its own.
    #[error("what replaces a task must not be a member of a chord")]
    InChord,
    /// There is nothing in it.
    #[error("a task cannot be replaced with an empty chain")]
    Empty,
    /// Something of it, or of what follows the task, cannot be read.
    #[error(transparent)]
    Canvas(#[from] CanvasError),
}

impl ReplaceError {
    /// What Celery raises for it, where it would have raised anything.
    pub fn exception(&self) -> Option<Exception> {
        let improper =
            |text: &str| Exception::new("ImproperlyConfigured", "celery.exceptions", vec![text.into()]);
        match self {
            Self::InChord => Some(improper("A signature replacing a task must not be part of a chord")),
            Self::Empty => Some(improper("Cannot replace with an empty chain")),
            Self::Canvas(_) => None,
        }
    }
}

/// The messages that put `canvas` in the place of the task with that request.
pub fn replace(
    dispatcher: &Dispatcher<'_>,
    request: Request<'_>,
    embed: &Embed,
    canvas: Canvas,
) -> Result<Plan, ReplaceError> {
    if canvas.option("chord").is_some() {
        return Err(ReplaceError::InChord);
    }
    // Whoever waits for the task's result waits where the task would have been answered to.
    let dispatcher = &Dispatcher { reply_to: request.reply_to().or(dispatcher.reply_to), ..*dispatcher };
    let mut canvas = with_one_result(canvas)?;
    canvas.link_all(&embed.callbacks);
    canvas.link_all_errors(&embed.errbacks);
    if let Canvas::Chain(chain) = &mut canvas {
        // More steps may come after the last one of now; the links are its own.
        let links = super::take_calls(&mut chain.options, "link");
        if let Some(last) = chain.steps.last_mut() {
            last.link_all(&links);
        }
    }
    dispatcher.freeze(&mut canvas, &Place { id: Some(request.id().to_owned()), ..Place::default() });
    let nesting = request.replaced_task_nesting().saturating_add(1);
    // What the task does not have, the canvas does not get from anywhere else either.
    canvas.set("chord", embed.chord.as_deref().map(Value::from));
    canvas.set("group_id", request.group());
    canvas.set("group_index", request.group_index());
    canvas.set("root_id", request.root_id());
    canvas.set("replaced_task_nesting", nesting);
    if let Canvas::Chain(chain) = &mut canvas {
        for step in &mut chain.steps {
            step.set("replaced_task_nesting", nesting);
        }
    }
    for call in embed.chain.iter().rev() {
        let mut step = Canvas::try_from(call.clone())?;
        step.set("replaced_task_nesting", nesting);
        canvas = joined(canvas, step);
    }
    Ok(dispatcher.plan(canvas))
}

/// A group is followed by a task that takes its results together, so that there is one result to link to.
fn with_one_result(canvas: Canvas) -> Result<Canvas, ReplaceError> {
    let accumulate = |group| {
        let body = Call::new(ACCUMULATE).kwarg("index", 0);
        Canvas::Chord(Chord::new(group, Box::new(Canvas::Task(body))))
    };
    match canvas {
        Canvas::Group(group) => Ok(accumulate(group)),
        Canvas::Chain(mut chain) => match chain.steps.pop().ok_or(ReplaceError::Empty)? {
            Canvas::Group(group) => {
                chain.steps.push(accumulate(group));
                Ok(Canvas::Chain(chain))
            }
            last => {
                chain.steps.push(last);
                Ok(Canvas::Chain(chain))
            }
        },
        other => Ok(other),
    }
}
