//! The checks that were made, and how they came out.

use std::io::Write;

use serde::Serialize;

use crate::console::{BAD, DIM, END, GOOD};

/// In the host's order.
const NAMES: [&str; 7] =
    ["package", "manifest", "track", "authority", "compile", "interfaces", "trial"];

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "detail", rename_all = "lowercase")]
pub(super) enum Found {
    #[serde(rename = "ok")]
    Good(String),
    #[serde(rename = "failed")]
    Bad(String),
}

/// One check.
#[derive(Debug, Serialize)]
struct Line {
    check: &'static str,
    #[serde(flatten)]
    found: Found,
}

/// All checks, in their order.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Checks(Vec<Line>);

impl Checks {
    pub(super) fn add(&mut self, check: &'static str, found: Found) {
        self.0.push(Line { check, found });
    }

    pub(super) fn all_good(&self) -> bool {
        self.0.iter().all(|line| matches!(line.found, Found::Good(_)))
    }

    /// One line each; what was not reached is named too.
    pub(super) fn show(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        for Line { check, found } in &self.0 {
            match found {
                Found::Good(detail) => writeln!(out, "{GOOD}ok     {END} {check:<10} {detail}")?,
                Found::Bad(detail) => writeln!(out, "{BAD}failed {END} {check:<10} {detail}")?,
            }
        }
        let reached = |name: &&&str| !self.0.iter().any(|line| line.check == **name);
        for name in NAMES.iter().filter(reached) {
            writeln!(out, "{DIM}skipped{END} {name:<10} needs what failed")?;
        }
        Ok(())
    }
}
