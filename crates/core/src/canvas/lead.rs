//! The first step of a chain, which takes the arguments that the chain is called with.

use std::collections::VecDeque;

use serde_json::Value;

use super::{Canvas, Group, OptionMap};

/// Puts a step to the front that takes the arguments: no chain, and no group without members.
pub(super) fn lead_with_a_task(steps: &mut VecDeque<Canvas>) {
    while let Some(head) = steps.pop_front() {
        match unrolled_group(head) {
            Canvas::Chain(chain) => {
                for step in chain.unchained().into_iter().rev() {
                    steps.push_front(step);
                }
            }
            Canvas::Group(group) if group.members.is_empty() && !steps.is_empty() => {}
            head => {
                steps.push_front(head);
                return;
            }
        }
    }
}

/// A group of one is its member.
pub(super) fn unrolled_group(canvas: Canvas) -> Canvas {
    match canvas {
        Canvas::Group(Group { mut members, options }) if members.len() == 1 => {
            members.pop().unwrap_or(Canvas::Group(Group { members, options }))
        }
        other => other,
    }
}

/// Hands arguments on to the first step of a chain.
pub(super) fn hand_on(steps: &mut VecDeque<Canvas>, args: &[Value], kwargs: &OptionMap) {
    lead_with_a_task(steps);
    if let Some(first) = steps.front_mut() {
        first.take(args, kwargs);
    }
}

impl Canvas {
    /// Takes arguments in front of its own.
    fn take(&mut self, args: &[Value], kwargs: &OptionMap) {
        match self {
            Self::Task(call) => {
                call.args = call.args_with(args);
                if !call.immutable {
                    call.kwargs.extend(kwargs.clone());
                }
            }
            Self::Group(group) => {
                for member in &mut group.members {
                    member.take(args, kwargs);
                }
            }
            Self::Chain(chain) => {
                let mut steps = VecDeque::from(std::mem::take(&mut chain.steps));
                hand_on(&mut steps, args, kwargs);
                chain.steps = steps.into();
            }
            Self::Chord(chord) => {
                if !chord.immutable {
                    chord.args.splice(0..0, args.iter().cloned());
                }
                chord.kwargs.extend(kwargs.clone());
            }
        }
    }
}
