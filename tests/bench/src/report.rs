//! Figures as tables for people and as JSON for programs.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

/// Everything that one run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The day, as `2026-11-28`.
    pub(crate) date: String,
    /// Processors of the machine, which the API server and all else that runs share.
    pub(crate) cores: usize,
    /// The flags of the run.
    pub(crate) flags: Vec<String>,
    /// By part.
    pub(crate) parts: BTreeMap<String, Part>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Who is measured, or under what circumstances.
    pub(crate) columns: Vec<String>,
    /// Which columns are compared: one and what it is divided by.
    pub(crate) ratios: Vec<(String, String)>,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

/// One figure, in every column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Its name for programs.
    pub(crate) key: String,
    /// What it is, with its unit.
    pub(crate) what: String,
    /// Digits after the point.
    pub(crate) digits: usize,
    /// Which way is better.
    pub(crate) better: Better,
    /// The figures, in the order of the columns.
    pub(crate) figures: Vec<Option<f64>>,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// A time, or what is used up.
    Lower,
    /// A rate.
    Higher,
}

impl Part {
    /// A table in which the first column is compared with each other one.
    pub(crate) fn ours_and(columns: &[&str]) -> Self {
        let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
        let ratios = match columns.split_first() {
            Some((ours, others)) => {
                others.iter().map(|other| (ours.clone(), other.clone())).collect()
            }
            None => Vec::new(),
        };
        Self { columns, ratios, rows: Vec::new() }
    }

    /// A table in which each other column is compared with the first.
    pub(crate) fn first_and(columns: &[&str]) -> Self {
        let Self { columns, ratios, rows } = Self::ours_and(columns);
        let ratios = ratios.into_iter().map(|(first, other)| (other, first)).collect();
        Self { columns, ratios, rows }
    }

    /// Adds a row whose figures are better if they are lower.
    pub(crate) fn lower(&mut self, key: &str, what: &str, digits: usize, figures: Vec<f64>) {
        self.row(key, what, digits, Better::Lower, figures);
    }

    /// Adds a row whose figures are better if they are higher.
    pub(crate) fn higher(&mut self, key: &str, what: &str, digits: usize, figures: Vec<f64>) {
        self.row(key, what, digits, Better::Higher, figures);
    }

    fn row(&mut self, key: &str, what: &str, digits: usize, better: Better, figures: Vec<f64>) {
        let (key, what) = (key.to_owned(), what.to_owned());
        let figures = figures.into_iter().map(Some).collect();
        self.rows.push(Row { key, what, digits, better, figures });
    }

    /// The figure of `of` divided by the figure of `to`; none if one of them is missing or `to`'s is zero.
    pub(crate) fn ratio(&self, row: &Row, of: &str, to: &str) -> Option<f64> {
        let figure = |name: &str| {
            let place = self.columns.iter().position(|column| column == name)?;
            row.figures.get(place).copied().flatten()
        };
        let (of, to) = (figure(of)?, figure(to)?);
        (to != 0.0).then(|| of / to)
    }

    /// The table in Markdown.
    pub(crate) fn table(&self, name: &str) -> String {
        let Self { columns, ratios, rows } = self;
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let compared = ratios.iter().map(|(of, to)| format!("{of} / {to}"));
        let head = [name.to_owned()].into_iter().chain(columns.iter().cloned()).chain(compared);
        table.set_header(head.collect::<Vec<_>>());
        for row in rows {
            let Row { what, digits, figures, .. } = row;
            let figures = figures.iter().map(|figure| shown(*figure, *digits));
            let compared = ratios.iter().map(|(of, to)| shown(self.ratio(row, of, to), 2));
            table.add_row([what.clone()].into_iter().chain(figures).chain(compared));
        }
        table.to_string()
    }
}

impl Report {
    /// All tables in Markdown.
    pub(crate) fn tables(&self) -> String {
        let Self { date, cores, parts, .. } = self;
        let mut text = format!("{date}, {cores} cores for everything, the API server included\n");
        for (name, part) in parts {
            text.push('\n');
            text.push_str(&part.table(name));
            text.push('\n');
        }
        text
    }
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map(|figure| format!("{figure:.digits$}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Part {
        let mut part = Part::ours_and(&["plugin", "kube-rs", "go"]);
        part.lower("p50", "p50, ms", 1, vec![3.0, 2.0, 4.0]);
        part.higher("rate", "per second", 0, vec![90.0, 0.0, 100.0]);
        part
    }

    #[test]
    fn a_table_shows_every_figure_and_the_ratios_of_ours_to_each_other() {
        let table = sample().table("hello");
        let cells = |line: &str| -> Vec<String> {
            line.split('|')
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let lines: Vec<_> = table.lines().map(cells).collect();
        let head = ["hello", "plugin", "kube-rs", "go", "plugin / kube-rs", "plugin / go"];
        assert_eq!(lines.first().unwrap(), &head, "{table}");
        assert_eq!(lines.get(2).unwrap(), &["p50, ms", "3.0", "2.0", "4.0", "1.50", "0.75"]);
        assert_eq!(lines.get(3).unwrap(), &["per second", "90", "0", "100", "0.90"]);
    }

    #[test]
    fn circumstances_are_compared_with_the_first() {
        let mut part = Part::first_and(&["alone", "loops"]);
        part.lower("p99", "p99, ms", 1, vec![2.0, 3.0]);
        assert_eq!(part.ratios, [("loops".to_owned(), "alone".to_owned())]);
        assert_eq!(part.ratio(part.rows.first().unwrap(), "loops", "alone"), Some(1.5));
        assert_eq!(part.ratio(part.rows.first().unwrap(), "loops", "nobody"), None);
    }

    #[test]
    fn a_report_survives_being_written_and_read() {
        let parts = BTreeMap::from([("hello".to_owned(), sample())]);
        let flags = vec!["run".to_owned()];
        let report = Report { date: "2026-11-28".to_owned(), cores: 2, flags, parts };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert!(report.tables().starts_with("2026-11-28, 2 cores"), "{}", report.tables());
    }
}
