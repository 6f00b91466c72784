//! What was measured, as people read it: a line while it runs, tables, and the picture of the README.

pub(crate) mod results;
pub(crate) mod stats;
mod svg;
mod table;

use std::fs;
use std::path::Path;

use results::Results;

use crate::cases::{Contender, Spec};

/// One line for one measurement.
pub(crate) fn progress(spec: &Spec, contender: &Contender, round: usize, values: &[f64]) {
    let values = spec
        .figures
        .iter()
        .zip(values)
        .map(|(figure, value)| format!("{} {}", stats::number(*value, figure.digits), figure.name));
    eprintln!("{} {round}: {}: {}", spec.name, contender.label, values.collect::<Vec<_>>().join(", "));
}

/// Prints the tables, and writes them, the raw values and the picture into a folder.
#[expect(clippy::print_stdout, reason = "the tables are what the caller asks for")]
pub(crate) fn write(results: &Results, folder: Option<&Path>) -> anyhow::Result<()> {
    let tables = table::markdown(results);
    println!("{tables}");
    if let Some(folder) = folder {
        fs::write(folder.join("results.md"), tables)?;
        fs::write(folder.join("results.json"), serde_json::to_string_pretty(&results.json())? + "\n")?;
        fs::write(folder.join("results.svg"), svg::picture(results))?;
    }
    Ok(())
}
