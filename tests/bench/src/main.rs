//! Benchmarks: what the host does, side by side with the same logic in native controllers, in one run
//! against the same API server. `make bench` runs them and prints tables; `make bench-check` compares the
//! ratios with committed ones.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use crate::report::Report;

mod check;
mod engine;
mod figures;
mod greetings;
mod hello;
mod native;
mod neighbour;
mod process;
mod progress;
mod report;
mod run;
mod running;
mod tasks;

/// Measures the host beside native controllers
#[derive(Debug, Parser)]
#[command(name = "joch-bench")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures; prints tables, or writes JSON
    Run(run::Args),
    /// Compares the ratios of a run with a baseline; fails if one has become worse than is tolerated
    Check {
        /// What `run --out` wrote
        report: PathBuf,
        /// The committed ratios
        baseline: PathBuf,
    },
    /// Makes the ratios of a run the baseline; parts that the run has not measured stay as they are
    Baseline {
        /// What `run --out` wrote
        report: PathBuf,
        /// The file to write
        baseline: PathBuf,
    },
    /// A native controller that is measured beside the host
    #[command(hide = true)]
    Native(native::Args),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Args::parse().what {
        What::Run(args) => say(&run::run(&args).await?),
        What::Check { report, baseline } => say(&check::check(&read(&report)?, &baseline)?),
        What::Baseline { report, baseline } => check::write(&read(&report)?, &baseline),
        What::Native(args) => native::run(&args).await,
    }
}

fn read(path: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{path:?}: run `joch-bench run --out {}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{path:?} is no report"))
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", text.trim_end())?)
}
