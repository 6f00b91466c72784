//! A canvas as the signature that travels, and back.

use serde_json::{Map, Value};

use super::{Canvas, Chain, Chord, Group};
use crate::celery::Call;

/// How many steps a chain may have: far above what anybody writes, so that no message ties a worker up.
pub(super) const MAX_STEPS: usize = 10_000;

/// Why a signature cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanvasError {
    /// It calls itself a group, a chain or a chord and is none.
    #[error("a signature of {0} cannot be read")]
    Unreadable(&'static str),
    /// A chain with too many steps.
    #[error("a chain has more than {MAX_STEPS} steps")]
    TooLong,
}

const GROUP: &str = "celery.group";
const CHAIN: &str = "celery.chain";
const CHORD: &str = "celery.chord";

impl TryFrom<Call> for Canvas {
    type Error = CanvasError;

    fn try_from(mut call: Call) -> Result<Self, CanvasError> {
        Ok(match call.subtask_type.as_deref() {
            Some("group") => Self::Group(read_group(call)?),
            Some("chain") => {
                let tasks = call.kwargs.get("tasks");
                within_bounds(tasks.and_then(Value::as_array).map_or(0, Vec::len))?;
                let steps = members(tasks).ok_or(CanvasError::Unreadable(CHAIN))??;
                Self::Chain(Chain { steps, options: call.options })
            }
            Some("chord") => {
                let header = call.kwargs.shift_remove("header").ok_or(CanvasError::Unreadable(CHORD))?;
                let header = match header {
                    Value::Array(_) => {
                        let members = members(Some(&header)).ok_or(CanvasError::Unreadable(CHORD))??;
                        Group { members, options: Map::new() }
                    }
                    header => read_group(read(&header).ok_or(CanvasError::Unreadable(CHORD))?)?,
                };
                let body = call.kwargs.get("body").and_then(read).ok_or(CanvasError::Unreadable(CHORD))?;
                let kwargs = match call.kwargs.shift_remove("kwargs") {
                    Some(Value::Object(kwargs)) => kwargs,
                    _ => Map::new(),
                };
                Self::Chord(Chord {
                    header,
                    body: Box::new(Self::try_from(body)?),
                    args: call.args,
                    kwargs,
                    options: call.options,
                    immutable: call.immutable,
                })
            }
            _ => Self::Task(call),
        })
    }
}

impl From<Canvas> for Call {
    fn from(canvas: Canvas) -> Self {
        let tasks = |tasks: Vec<Canvas>| {
            let tasks = tasks.into_iter().map(|task| Value::from(Self::from(task))).collect();
            Map::from_iter([("tasks".to_owned(), Value::Array(tasks))])
        };
        let canvas_call = |task: &str, kind: &str, kwargs, options| {
            let subtask_type = Some(kind.to_owned());
            Self { kwargs, options, subtask_type, ..Self::new(task) }
        };
        match canvas {
            Canvas::Task(call) => call,
            Canvas::Chain(chain) => canvas_call(CHAIN, "chain", tasks(chain.steps), chain.options),
            Canvas::Group(group) => canvas_call(GROUP, "group", tasks(group.members), group.options),
            Canvas::Chord(chord) => {
                let header = canvas_call(GROUP, "group", tasks(chord.header.members), chord.header.options);
                let kwargs = Map::from_iter([
                    ("kwargs".to_owned(), Value::Object(chord.kwargs)),
                    ("header".to_owned(), header.into()),
                    ("body".to_owned(), Self::from(*chord.body).into()),
                ]);
                let chord_call = canvas_call(CHORD, "chord", kwargs, chord.options);
                Self { args: chord.args, immutable: chord.immutable, ..chord_call }
            }
        }
    }
}

/// Refuses a chain that is too long.
pub(super) fn within_bounds(steps: usize) -> Result<(), CanvasError> {
    if steps > MAX_STEPS { Err(CanvasError::TooLong) } else { Ok(()) }
}

fn read(value: &Value) -> Option<Call> {
    serde_json::from_value(value.clone()).ok()
}

fn read_group(call: Call) -> Result<Group, CanvasError> {
    let members = members(call.kwargs.get("tasks")).ok_or(CanvasError::Unreadable(GROUP))??;
    Ok(Group { members, options: call.options })
}

fn members(tasks: Option<&Value>) -> Option<Result<Vec<Canvas>, CanvasError>> {
    let calls: Vec<Call> = tasks?.as_array()?.iter().map(read).collect::<Option<_>>()?;
    Some(calls.into_iter().map(Canvas::try_from).collect())
}
