//! How many results a chord waits for.

use super::Canvas;

/// The results that a member of a header brings: one for a task, none for an empty group, and for a chain or a chord
/// those of what ends it.
pub(super) fn results_of(canvas: &Canvas) -> usize {
    match canvas {
        Canvas::Task(_) => 1,
        Canvas::Group(group) => group.members.iter().map(results_of).sum(),
        Canvas::Chain(chain) => {
            chain.steps.iter().rev().map(results_of).find(|results| *results > 0).unwrap_or(0)
        }
        Canvas::Chord(chord) => results_of(&chord.body),
    }
}
