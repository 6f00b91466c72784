//! Tables in Markdown: a row a contender, medians with their spread, and how ours compares.

use std::fmt::Write as _;

use super::results::{Measured, Results, Row};
use super::stats::number;

/// All tables.
pub(crate) fn markdown(results: &Results) -> String {
    let mut out = String::new();
    let spread = if results.rounds > 1 { " In brackets the least and the greatest." } else { "" };
    line(&mut out, &format!("{}{spread} {}", results.taken(), results.machine));
    for case in &results.cases {
        table(&mut out, case);
    }
    out
}

fn table(out: &mut String, case: &Measured) {
    let spec = case.spec;
    line(out, &format!("\n## {}\n\n{}\n", spec.title, spec.notes));
    let names: Vec<&str> = spec.figures.iter().map(|figure| figure.name).collect();
    line(out, &format!("| | {} | |", names.join(" | ")));
    line(out, &format!("|---|{}---|", "---:|".repeat(spec.figures.len())));
    for row in &case.rows {
        let values: Vec<String> = (0..names.len()).map(|figure| value(case, row, figure)).collect();
        line(
            out,
            &format!(
                "| {} | {} | {} |",
                row.contender.label,
                values.join(" | "),
                case.comparison(row).unwrap_or_default()
            ),
        );
    }
    for verdict in case.verdicts() {
        let mark = if verdict.reached { "reached" } else { "**missed**" };
        line(out, &format!("\n{mark}: {}", verdict.text));
    }
}

fn value(case: &Measured, row: &Row, figure: usize) -> String {
    let digits = case.spec.figures[figure].digits;
    let (least, greatest) = row.spread(figure);
    if row.is_single() {
        return number(row.median(figure), digits);
    }
    format!("{} ({}–{})", number(row.median(figure), digits), number(least, digits), number(greatest, digits))
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a text takes all");
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_shows_medians_spread_and_the_comparison() {
        let text = markdown(&results());

        assert!(text.contains("| Postrider | 3,000 (2,000–9,000) | 60.0 (60.0–60.0) |  |"), "{text}");
        assert!(text.contains("| Slow | 250 (200–300) | 60.0 (60.0–60.0) | Postrider does 12 × |"), "{text}");
        assert!(text.contains("**missed**: 60.0 memory"), "{text}");
    }
}
