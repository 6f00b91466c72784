//! The picture for the README: bars of every case's first figure. Drawn here because no drawing library writes an image
//! that follows the reader's light or dark colours, and bars need none.

use std::fmt::Write as _;

use super::results::{Measured, Results, Row};
use super::stats::number;
use crate::cases::Kind;

const WIDTH: u32 = 880;
const LABELS: u32 = 230;
const BAR: u32 = 18;
const STEP: u32 = 26;
/// From one case's last bar to the next one's title, and from a title to its first bar.
const GAP: u32 = 34;
const TITLE: u32 = 16;
/// The longest bar; the values stand to the right of it.
const LONGEST: f64 = 420.0;

const STYLE: &str = "\
    text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }\
    .title { font-weight: 600; font-size: 14px } .note { fill: #59636e; font-size: 12px } .end { text-anchor: end }\
    .ours { fill: #c2410c } .peer { fill: #94a3b8 } .ceiling { fill: none; stroke: #94a3b8; stroke-dasharray: 4 3 }\
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } .ours { fill: #f97316 }\
    .peer { fill: #64748b } .ceiling { stroke: #8b98a8 } }";

/// All cases, one below the other.
pub(crate) fn picture(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 10;
    for case in &results.cases {
        y = draw(&mut body, case, y);
    }
    for line in [results.taken(), results.machine.clone()] {
        text(&mut body, 0, y, "note", &line);
        y += 18;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{summary}\">\n<style>{STYLE}</style>\n{body}</svg>\n",
        height = y,
        summary = escaped(&summary(results)),
    )
}

/// Draws a case from `y` down. Where the next one begins.
fn draw(out: &mut String, case: &Measured, y: u32) -> u32 {
    let figure = &case.spec.figures[0];
    let less = if figure.less_is_better { ", less is better" } else { "" };
    text(out, 0, y + 4, "title", &format!("{} ({}{less})", case.spec.title, figure.name));
    let greatest = case.rows.iter().map(|row| row.median(0)).fold(f64::MIN_POSITIVE, f64::max);
    let mut y = y + TITLE;
    for row in &case.rows {
        bar(out, case, row, greatest, y);
        y += STEP;
    }
    y + GAP
}

fn bar(out: &mut String, case: &Measured, row: &Row, greatest: f64, y: u32) {
    let (class, value) = (class(row.contender.kind), row.median(0));
    let (x, length, middle) = (LABELS, (value / greatest * LONGEST).max(2.0), y + 14);
    text(out, LABELS - 12, middle, "end", row.contender.label);
    writeln!(out, r#"<rect class="{class}" x="{x}" y="{y}" width="{length:.1}" height="{BAR}" rx="2"/>"#)
        .expect("a text takes all");
    let shown = number(value, case.spec.figures[0].digits);
    let compared = case.comparison(row).map_or_else(String::new, |text| {
        format!(r#" <tspan class="note" dx="6">{}</tspan>"#, escaped(&text))
    });
    let after = f64::from(x) + length + 8.0;
    writeln!(out, r#"<text x="{after:.1}" y="{middle}">{}{compared}</text>"#, escaped(&shown))
        .expect("a text takes all");
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "ours",
        Kind::Peer => "peer",
        Kind::Ceiling => "ceiling",
    }
}

fn text(out: &mut String, x: u32, y: u32, class: &str, content: &str) {
    writeln!(out, r#"<text class="{class}" x="{x}" y="{y}">{}</text>"#, escaped(content))
        .expect("a text takes all");
}

/// The picture for those who hear it.
fn summary(results: &Results) -> String {
    let case = |case: &Measured| {
        let figure = &case.spec.figures[0];
        let row = |row: &Row| format!("{} {}", row.contender.label, number(row.median(0), figure.digits));
        format!(
            "{}, {}: {}",
            case.spec.title,
            figure.name,
            case.rows.iter().map(row).collect::<Vec<_>>().join(", ")
        )
    };
    results.cases.iter().map(case).collect::<Vec<_>>().join(". ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn the_longest_bar_is_the_greatest_value_and_text_is_escaped() {
        let svg = picture(&results());

        assert!(svg.contains(r#"class="ours" x="230" y="26" width="420.0""#), "{svg}");
        assert!(svg.contains(r#"class="peer" x="230" y="52" width="35.0""#), "{svg}");
        assert!(svg.contains("Tasks &amp; more (tasks/s)"), "{svg}");
        assert!(svg.contains("Postrider does 12 ×"), "{svg}");
    }
}
