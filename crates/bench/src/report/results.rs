//! The values of all rounds.

use serde_json::{Value, json};

use super::stats::{median, spread, times};
use crate::cases::{Contender, Goal, Kind, Spec};

/// All that was measured.
pub(crate) struct Results {
    /// What the machine is.
    pub(crate) machine: String,
    /// How often every contender took its turn.
    pub(crate) rounds: usize,
    /// Cases in their order.
    pub(crate) cases: Vec<Measured>,
}

/// A case with its contenders' values.
pub(crate) struct Measured {
    pub(crate) spec: &'static Spec,
    pub(crate) rows: Vec<Row>,
}

/// One contender's values.
pub(crate) struct Row {
    pub(crate) contender: &'static Contender,
    /// Of each round, a value for each figure.
    rounds: Vec<Vec<f64>>,
}

/// Whether a goal was reached.
pub(crate) struct Verdict {
    /// What was to be reached and what was.
    pub(crate) text: String,
    pub(crate) reached: bool,
}

impl Results {
    pub(crate) fn new(machine: String, rounds: usize) -> Self {
        Self { machine, rounds, cases: Vec::new() }
    }

    pub(crate) fn add(&mut self, spec: &'static Spec, contender: &'static Contender, values: Vec<f64>) {
        let case = match self.cases.iter().position(|case| case.spec.name == spec.name) {
            Some(place) => &mut self.cases[place],
            None => self.cases.push_mut(Measured { spec, rows: Vec::new() }),
        };
        match case.rows.iter_mut().find(|row| row.contender.id == contender.id) {
            Some(row) => row.rounds.push(values),
            None => case.rows.push(Row { contender, rounds: vec![values] }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// How the values came about.
    pub(crate) fn taken(&self) -> String {
        match self.rounds {
            1 => "One round.".to_owned(),
            rounds => format!("Medians of {rounds} rounds, the contenders in turns."),
        }
    }

    /// All values, for programs.
    pub(crate) fn json(&self) -> Value {
        let row = |row: &Row| (row.contender.id.to_owned(), json!(row.rounds));
        let cases = self.cases.iter().map(|case| {
            let figures: Vec<_> = case.spec.figures.iter().map(|figure| figure.name).collect();
            let rows: serde_json::Map<_, _> = case.rows.iter().map(row).collect();
            (case.spec.name.to_owned(), json!({"figures": figures, "rounds": rows}))
        });
        json!({"machine": self.machine, "cases": cases.collect::<serde_json::Map<_, _>>()})
    }
}

impl Measured {
    /// Ours, if it was measured.
    pub(crate) fn ours(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender.kind == Kind::Ours)
    }

    /// How many times better ours is than this one by the first figure; below one it is worse. Where ours was measured
    /// in several ways, it is the one named last before this one.
    pub(crate) fn advantage(&self, over: &Row) -> Option<f64> {
        let before = self.rows.iter().take_while(|row| row.contender.id != over.contender.id);
        let ours = before.filter(|row| row.contender.kind == Kind::Ours).last()?.median(0);
        let theirs = over.median(0);
        Some(if self.spec.figures[0].less_is_better { theirs / ours } else { ours / theirs })
    }

    /// The same in words, where this is not ours.
    pub(crate) fn comparison(&self, row: &Row) -> Option<String> {
        let others = row.contender.kind != Kind::Ours;
        let times = times(self.advantage(row).filter(|_| others)?);
        let less = self.spec.figures[0].less_is_better;
        Some(if less { format!("{times} × Postrider's") } else { format!("Postrider does {times} ×") })
    }

    /// What became of the goals whose contenders were measured.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.spec.goals.iter().filter_map(|goal| self.verdict(goal)).collect()
    }

    fn verdict(&self, goal: &Goal) -> Option<Verdict> {
        let name = |figure: usize| self.spec.figures[figure].name;
        let (is, text) = match goal {
            Goal::Times(least, of) => {
                let others = self.rows.iter().filter(|row| of.contains(&row.contender.id));
                let best = others.max_by(|a, b| a.median(0).total_cmp(&b.median(0)))?;
                let times = self.advantage(best)?;
                (times >= *least, format!("{times:.2} × {} (goal {least} ×)", best.contender.label))
            }
            Goal::AtLeast(figure, least) => {
                let value = self.ours()?.median(*figure);
                (value >= *least, format!("{value:.0} {} (goal at least {least})", name(*figure)))
            }
            Goal::AtMost(figure, most) => {
                let value = self.ours()?.median(*figure);
                (value <= *most, format!("{value:.1} {} (goal at most {most})", name(*figure)))
            }
        };
        Some(Verdict { text, reached: is })
    }
}

impl Row {
    /// The median of a figure over the rounds.
    pub(crate) fn median(&self, figure: usize) -> f64 {
        median(&self.values(figure))
    }

    /// The least and the greatest of a figure.
    pub(crate) fn spread(&self, figure: usize) -> (f64, f64) {
        spread(&self.values(figure))
    }

    /// Whether there was but one round.
    pub(crate) fn is_single(&self) -> bool {
        self.rounds.len() == 1
    }

    fn values(&self, figure: usize) -> Vec<f64> {
        self.rounds.iter().filter_map(|values| values.get(figure).copied()).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cases::Figure;

    static SPEC: Spec = Spec {
        name: "tasks",
        title: "Tasks & more",
        notes: "Notes.",
        figures: &[
            Figure { name: "tasks/s", digits: 0, less_is_better: false },
            Figure { name: "memory, MB", digits: 1, less_is_better: true },
        ],
        contenders: &[
            Contender { id: "ours", label: "Postrider", kind: Kind::Ours },
            Contender { id: "slow", label: "Slow", kind: Kind::Peer },
            Contender { id: "fast", label: "Fast", kind: Kind::Peer },
        ],
        goals: &[Goal::Times(2.0, &["slow", "fast"]), Goal::Times(9.0, &["slow"]), Goal::AtMost(1, 50.0)],
    };

    pub(in crate::report) fn results() -> Results {
        let mut results = Results::new("two cores".into(), 3);
        for [ours, slow, fast] in [[3000.0, 200.0, 900.0], [2000.0, 250.0, 1000.0], [9000.0, 300.0, 1100.0]] {
            for (contender, value) in SPEC.contenders.iter().zip([ours, slow, fast]) {
                results.add(&SPEC, contender, vec![value, 60.0]);
            }
        }
        results
    }

    #[test]
    fn goals_are_held_against_the_medians_and_the_best_of_the_others() {
        let results = results();

        let verdicts = results.cases[0].verdicts();

        let texts: Vec<(&str, bool)> = verdicts.iter().map(|one| (one.text.as_str(), one.reached)).collect();
        let expected = [
            ("3.00 × Fast (goal 2 ×)", true),
            ("12.00 × Slow (goal 9 ×)", true),
            ("60.0 memory, MB (goal at most 50)", false),
        ];
        assert_eq!(texts, expected);
    }
}
