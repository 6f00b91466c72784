//! Whether a queue may be consumed that others serve too: pure decisions, one queue and one round of questions at a time.

use std::collections::{BTreeMap, BTreeSet};

/// Rounds in a row without a node that has other tasks, before a queue that was refused is consumed again. One of them may
/// fall into a restart of that node, or find it too busy to answer.
const CLEAR_ROUNDS: u8 = 3;

/// What the other nodes said in one round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Survey {
    pub(super) nodes: BTreeMap<String, Neighbour>,
    /// Whether somebody answered in a way that is not read.
    pub(super) unreadable: bool,
}

/// What another node says of itself, as far as it said it in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Neighbour {
    pub(super) queues: Option<BTreeSet<String>>,
    pub(super) tasks: Option<BTreeSet<String>>,
}

/// What a round says of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nobody there has other tasks.
    Clear,
    /// Nobody could be asked, or somebody said half of it.
    Unknown,
    /// This node serves it, and has these tasks that are not registered here.
    Lacking(String, Vec<String>),
    /// Somebody is there whose answers are not read.
    Unreadable,
}

/// What is done with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Decision {
    /// Nobody was asked yet.
    #[default]
    New,
    /// It was asked and not found out.
    Unsure,
    Consumed,
    /// Withheld; after the last of the rounds nobody was there who has other tasks, so often in a row.
    Refused {
        clear: u8,
    },
}

impl Survey {
    /// What it says of a queue, to a worker that has the tasks `ours`. Celery's own tasks are everywhere.
    pub(super) fn finding(&self, queue: &str, ours: &BTreeSet<String>) -> Finding {
        let mut unknown = false;
        for (name, node) in &self.nodes {
            let serves = node.queues.as_ref().map(|queues| queues.contains(queue));
            let lacks = |task: &&String| !ours.contains(*task) && !task.starts_with("celery.");
            let lacks: Option<Vec<String>> =
                node.tasks.as_ref().map(|tasks| tasks.iter().filter(lacks).cloned().collect());
            match (serves, lacks) {
                (Some(false), _) => {}
                (_, Some(lacks)) if lacks.is_empty() => {}
                (Some(true), Some(lacks)) => return Finding::Lacking(name.clone(), lacks),
                (None, _) | (_, None) => unknown = true,
            }
        }
        match (self.unreadable, unknown) {
            (true, _) => Finding::Unreadable,
            (false, true) => Finding::Unknown,
            (false, false) => Finding::Clear,
        }
    }
}

impl Decision {
    /// The decision after another round.
    pub(super) fn after(self, finding: &Finding) -> Self {
        match (self, finding) {
            (_, Finding::Lacking(..) | Finding::Unreadable) | (Self::Refused { .. }, Finding::Unknown) => {
                Self::Refused { clear: 0 }
            }
            (Self::New | Self::Unsure, Finding::Unknown) => Self::Unsure,
            (Self::Refused { clear }, Finding::Clear) if clear + 1 < CLEAR_ROUNDS => {
                Self::Refused { clear: clear + 1 }
            }
            (_, Finding::Clear) | (Self::Consumed, Finding::Unknown) => Self::Consumed,
        }
    }

    pub(super) fn is_refused(self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether it is still to be found out.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::New | Self::Unsure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn node(queues: Option<&[&str]>, tasks: Option<&[&str]>) -> Neighbour {
        Neighbour { queues: queues.map(set), tasks: tasks.map(set) }
    }

    fn survey<const N: usize>(nodes: [(&str, Neighbour); N]) -> Survey {
        Survey {
            nodes: nodes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect(),
            unreadable: false,
        }
    }

    fn lacking(node: &str, task: &str) -> Finding {
        Finding::Lacking(node.into(), vec![task.into()])
    }

    #[test]
    fn a_node_on_the_queue_with_tasks_that_are_not_here_is_found() {
        let nodes = survey([
            ("django@host", node(Some(&["celery"]), Some(&["shop.mail", "add", "celery.chord"]))),
            ("twin@host", node(Some(&["sms", "celery"]), Some(&["add"]))),
        ]);

        assert_eq!(nodes.finding("celery", &set(&["add"])), lacking("django@host", "shop.mail"));
        assert_eq!(nodes.finding("celery", &set(&["add", "shop.mail"])), Finding::Clear);
        assert_eq!(nodes.finding("sms", &set(&["add"])), Finding::Clear);
        assert_eq!(nodes.finding("sms", &set(&[])), lacking("twin@host", "add"));
    }

    #[test]
    fn a_node_that_says_half_of_it_leaves_open_what_the_other_half_decides() {
        let (ours, queues, tasks) = (set(&["add"]), Some(&["celery"][..]), Some(&["shop.mail"][..]));
        for (half, finding) in [
            (node(queues, None), Finding::Unknown),
            (node(None, tasks), Finding::Unknown),
            (node(Some(&["other"]), None), Finding::Clear),
            (node(None, Some(&["add"])), Finding::Clear),
        ] {
            assert_eq!(survey([("django@host", half.clone())]).finding("celery", &ours), finding, "{half:?}");
        }
        let pickles = Survey { unreadable: true, ..Survey::default() };
        assert_eq!(pickles.finding("celery", &ours), Finding::Unreadable);
    }

    #[test]
    fn a_refused_queue_is_consumed_again_after_three_clear_rounds_in_a_row() {
        let (lacking, clear, unknown) = (lacking("django@host", "x"), Finding::Clear, Finding::Unknown);
        let rounds = |rounds: &[&Finding]| {
            rounds.iter().fold(Decision::New, |decision, finding| decision.after(finding))
        };

        assert_eq!(rounds(&[&clear]), Decision::Consumed);
        assert_eq!(rounds(&[&clear, &unknown]), Decision::Consumed, "what was found out stays");
        assert_eq!(rounds(&[&unknown]), Decision::Unsure);
        assert_eq!(rounds(&[&unknown, &clear]), Decision::Consumed);
        assert!(rounds(&[&clear, &lacking]).is_refused());
        assert!(rounds(&[&lacking, &clear, &clear]).is_refused());
        assert!(rounds(&[&lacking, &clear, &clear, &unknown, &clear, &clear]).is_refused());
        assert_eq!(rounds(&[&lacking, &clear, &clear, &clear]), Decision::Consumed);
        assert!(rounds(&[&Finding::Unreadable]).is_refused());
    }
}
