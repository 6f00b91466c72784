//! What a case is: its contenders, its figures, and how one contender is measured once.

use async_trait::async_trait;

use crate::rig::contenders::Rig;

/// Something to measure. One file each. Contenders are started from the main thread, hence `?Send`: the kernel ends a
/// child with the thread that made it.
#[async_trait(?Send)]
pub(crate) trait Case: Sync {
    /// What it is and who takes part.
    fn spec(&self) -> &'static Spec;

    /// How many rounds it takes where so many are asked for: a long case takes fewer.
    fn rounds(&self, asked: usize) -> usize {
        asked
    }

    /// Measures one contender once: a value for each figure, in their order.
    async fn measure(&self, rig: &Rig, contender: &str) -> anyhow::Result<Vec<f64>>;
}

/// A case as the report shows it.
pub(crate) struct Spec {
    /// What `--only` names it by.
    pub(crate) name: &'static str,
    /// What is measured.
    pub(crate) title: &'static str,
    /// What a reader must know to judge the figures.
    pub(crate) notes: &'static str,
    /// The first one is drawn and compared.
    pub(crate) figures: &'static [Figure],
    /// In the order in which they take turns. The first one is ours.
    pub(crate) contenders: &'static [Contender],
    /// What ours is to reach.
    pub(crate) goals: &'static [Goal],
}

/// A value that is measured.
pub(crate) struct Figure {
    /// Its name with its unit.
    pub(crate) name: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
    /// Whether less is better.
    pub(crate) less_is_better: bool,
}

/// Who is measured.
#[derive(Debug)]
pub(crate) struct Contender {
    /// What the case knows it by.
    pub(crate) id: &'static str,
    /// What the report calls it.
    pub(crate) label: &'static str,
    /// Its colour and its place in the comparison.
    pub(crate) kind: Kind,
}

/// What a contender is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Postrider.
    Ours,
    /// What it replaces, or competes with.
    Peer,
    /// The least that could do the same.
    Ceiling,
}

/// What ours is to reach.
pub(crate) enum Goal {
    /// The first figure, at least so many times the best of these.
    Times(f64, &'static [&'static str]),
    /// A figure by its place, at least this.
    AtLeast(usize, f64),
    /// A figure by its place, at most this.
    AtMost(usize, f64),
}
