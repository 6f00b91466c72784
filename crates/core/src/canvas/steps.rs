//! The steps of a chain: how they are joined as it is written, and how they are laid out before it is run.
//!
//! A group in a chain becomes the header of a chord whose body is the step after it. A chord's body that is a chain is
//! taken apart, so that not every member of the header carries the rest of the chain.

use std::collections::VecDeque;

use super::freeze::Place;
use super::lead::{lead_with_a_task, unrolled_group};
use super::{Canvas, Chain, Chord, Dispatcher, OptionMap, take_calls};
use crate::celery::Call;
use crate::results::ResultTree;

/// Options of a chain that its run uses up; the others go to its first step.
pub(super) const OF_THE_RUN: [&str; 8] =
    ["chord", "group_id", "group_index", "link", "link_error", "parent_id", "root_id", "task_id"];

/// Adds a step as Python's `|` does.
pub(super) fn merge(steps: &mut Vec<Canvas>, other: Canvas) {
    match other {
        Canvas::Group(mut group) if group.members.len() < 2 => {
            if let Some(only) = group.members.pop() {
                merge(steps, only);
            }
        }
        Canvas::Chain(chain) => {
            for step in chain.unchained() {
                merge(steps, step);
            }
        }
        other => match (steps.pop(), other) {
            (Some(Canvas::Chord(mut chord)), other @ (Canvas::Group(_) | Canvas::Task(_))) => {
                chord.body = Box::new(joined(*chord.body, other));
                steps.push(Canvas::Chord(chord));
            }
            (Some(Canvas::Group(header)), other @ (Canvas::Task(_) | Canvas::Chord(_))) => {
                steps.push(Canvas::Chord(Chord::new(header, Box::new(other))));
            }
            (last, other) => steps.extend(last.into_iter().chain([other])),
        },
    }
}

/// `left | right`.
pub(super) fn joined(left: Canvas, right: Canvas) -> Canvas {
    let mut steps = match left {
        Canvas::Chain(chain) => chain.unchained(),
        other => vec![other],
    };
    merge(&mut steps, right);
    finished(steps)
}

/// The steps as one canvas.
pub(super) fn finished(steps: Vec<Canvas>) -> Canvas {
    match <[Canvas; 1]>::try_from(steps) {
        Ok([only]) => only,
        Err(steps) => Canvas::Chain(Chain { steps, ..Chain::default() }),
    }
}

impl Chain {
    /// The steps, with the chain's links on the last one and its error links on each.
    pub(super) fn unchained(mut self) -> Vec<Canvas> {
        let (links, errbacks) =
            (take_calls(&mut self.options, "link"), take_calls(&mut self.options, "link_error"));
        if let Some(last) = self.steps.last_mut() {
            last.link_all(&links);
        }
        for step in &mut self.steps {
            step.link_all_errors(&errbacks);
        }
        self.steps
    }
}

impl Chord {
    /// `chord(header, a | b | c)` as `chord(header, a)`, `b`, `c`.
    fn unrolled(mut self) -> Vec<Canvas> {
        let Canvas::Chain(mut chain) = *self.body else { return vec![Canvas::Chord(self)] };
        let options = std::mem::take(&mut chain.options);
        let (of_the_run, of_the_first): (OptionMap, OptionMap) =
            options.into_iter().partition(|(name, _)| OF_THE_RUN.contains(&name.as_str()));
        chain.options = of_the_run;
        let mut tail = chain.unchained();
        let mut first = tail.remove(0);
        first.options_mut().extend(of_the_first);
        self.body = Box::new(first);
        [Canvas::Chord(self)].into_iter().chain(tail).collect()
    }

    fn has_a_chain_led_by_a_task(&self) -> bool {
        match &*self.body {
            Canvas::Chain(chain) => {
                chain.steps.first().is_some_and(|first| !matches!(first, Canvas::Group(_)))
            }
            _ => false,
        }
    }
}

/// Splits what can be split of a body that is a chain, before it is frozen.
pub(super) fn unroll_chords(chain: &mut Chain) {
    let mut pending: VecDeque<Canvas> = std::mem::take(&mut chain.steps).into();
    while let Some(mut step) = pending.pop_front() {
        if let Canvas::Chain(inner) = &mut step {
            unroll_chords(inner);
        }
        match step {
            Canvas::Chord(chord) if chord.has_a_chain_led_by_a_task() => {
                for step in chord.unrolled().into_iter().rev() {
                    pending.push_front(step);
                }
            }
            step => chain.steps.push(step),
        }
    }
}

/// Steps that are laid out.
pub(super) struct Prepared {
    /// The steps, the first one last: as a message carries them.
    pub reversed: Vec<Canvas>,
    /// The last step, with those before it.
    pub result: Option<ResultTree>,
}

impl Dispatcher<'_> {
    /// Lays out the steps of a chain and gives each its id. `place` is that of the last step; `unroll` takes apart the
    /// bodies of chords, which a chain that is only frozen keeps as they are.
    pub(super) fn prepare(
        &self,
        steps: Vec<Canvas>,
        place: &Place,
        errbacks: &[Call],
        unroll: bool,
    ) -> Prepared {
        let mut steps = VecDeque::from(steps);
        lead_with_a_task(&mut steps);
        let (mut reversed, mut trees) = (Vec::new(), Vec::new());
        while let Some(step) = steps.pop_back() {
            let mut step = match unrolled_group(step) {
                Canvas::Group(group)
                    if group.members.is_empty() && !(steps.is_empty() && reversed.is_empty()) =>
                {
                    continue;
                }
                Canvas::Chord(chord) if unroll && chord.has_a_chain_led_by_a_task() => {
                    steps.extend(chord.unrolled());
                    continue;
                }
                Canvas::Chain(chain) => {
                    steps.extend(chain.unchained());
                    continue;
                }
                Canvas::Group(header) => match reversed.pop() {
                    Some(body) => {
                        trees.pop();
                        Canvas::Chord(Chord::new(header, Box::new(body)))
                    }
                    None => Canvas::Group(header),
                },
                step => step,
            };
            let is_last = reversed.is_empty();
            let tree = if is_last {
                self.freeze(&mut step, place)
            } else {
                self.freeze(&mut step, &Place { root_id: place.root_id.clone(), ..Place::default() })
            };
            step.link_all_errors(errbacks);
            reversed.push(step);
            trees.push(tree);
        }
        let result = trees.into_iter().reduce(ResultTree::after);
        Prepared { reversed, result }
    }
}
