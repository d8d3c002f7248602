//! Figures as a table for people and as JSON for programs.

use anyhow::{Context as _, Result};
use comfy_table::{Table, presets};
use serde_json::{Map, Value};

/// One figure of every contender.
pub(crate) struct Row {
    /// What it is, with its unit.
    pub(crate) what: &'static str,
    /// Its name in JSON.
    pub(crate) key: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
    /// The figures, in the order of the contenders.
    pub(crate) figures: Vec<f64>,
}

/// Prints the table, with the ratio of the first contender to the second, and writes
/// `target/bench/<name>.json`.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn show(name: &str, contenders: &[&str], rows: &[Row]) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    let head = [name].into_iter().chain(contenders.iter().copied()).chain(["ratio"]);
    table.set_header(head.map(str::to_owned).collect::<Vec<_>>());
    let mut json = Map::new();
    for Row { what, key, digits, figures } in rows {
        let ratio = match figures.as_slice() {
            [ours, theirs, ..] if *theirs != 0.0 => format!("{:.2}", ours / theirs),
            _ => String::new(),
        };
        let shown = figures.iter().map(|figure| format!("{figure:.digits$}"));
        table.add_row([(*what).to_owned()].into_iter().chain(shown).chain([ratio]));
        let by_contender = contenders.iter().zip(figures);
        let by_contender: Map<String, Value> =
            by_contender.map(|(who, figure)| ((*who).to_owned(), Value::from(*figure))).collect();
        json.insert((*key).to_owned(), Value::Object(by_contender));
    }
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{table}")?;
    let folder = joch_tests::paths::root().join("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("{folder:?}"))?;
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, serde_json::to_vec_pretty(&json)?).with_context(|| format!("{file:?}"))
}
