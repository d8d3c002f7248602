//! One run: its flags, its parts, its report.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::progress::tell;
use crate::report::{Part, Report};
use crate::{engine, hello, neighbour, tasks};

/// Options
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// What is measured; by default everything
    parts: Vec<What>,
    /// How many objects a controller finds at its start
    #[arg(long, value_name = "N", default_value_t = 1000)]
    objects: usize,
    /// For how many objects memory is looked at last; 0 for not at all
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    large: usize,
    /// How many Tasks are created at once
    #[arg(long, value_name = "N", default_value_t = 1000)]
    tasks: usize,
    /// How many single changes are timed in each pass
    #[arg(long, value_name = "N", default_value_t = 200)]
    changes: usize,
    /// How many plugins one host has in the end
    #[arg(long, value_name = "N", default_value_t = 100)]
    plugins: usize,
    /// How often two versions of a plugin are swapped
    #[arg(long, value_name = "N", default_value_t = 1000)]
    swaps: usize,
    /// How many passes of each; the medians are shown
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// What is printed
    #[arg(short, long, value_name = "FORM", default_value = "table")]
    output: Output,
    /// A file for the figures as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum What {
    /// Calls, loads, swaps, and many plugins at once
    Engine,
    /// One controller three times: plugin, kube-rs, Go
    Hello,
    /// A good plugin beside a hostile one
    Neighbour,
    /// Many Tasks created at once: the plugin and kube-rs
    Tasks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Tables in Markdown
    Table,
    /// One document
    Json,
}

/// For how many objects requests are counted.
const COUNTED: usize = 20;

/// Measures; answers with the text to print.
///
/// # Errors
/// If a part fails, or the file cannot be written.
pub(crate) async fn run(args: &Args) -> Result<String> {
    let mut wanted = args.parts.clone();
    if wanted.is_empty() {
        wanted = What::value_variants().to_vec();
    }
    wanted.sort();
    wanted.dedup();
    let mut parts = BTreeMap::new();
    for what in wanted {
        let name = what.to_possible_value().context("a part without name")?.get_name().to_owned();
        tell(&name);
        let measured = what.measure(args).await.with_context(|| format!("the part {name}"))?;
        parts.extend(measured.into_iter().map(|(name, part)| (name.to_owned(), part)));
    }
    let report = Report {
        date: jiff::Zoned::now().date().to_string(),
        cores: std::thread::available_parallelism()?.get(),
        flags: std::env::args().skip(1).collect(),
        parts,
    };
    let json = serde_json::to_string_pretty(&report)?;
    if let Some(path) = &args.out {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{folder:?}"))?;
        }
        std::fs::write(path, format!("{json}\n")).with_context(|| format!("{path:?}"))?;
    }
    Ok(match args.output {
        Output::Table => report.tables(),
        Output::Json => json,
    })
}

/// How many seconds each thing of the engine is measured.
const SECONDS: f64 = 2.0;

impl What {
    /// The tables of a part, by name.
    async fn measure(self, args: &Args) -> Result<Vec<(&'static str, Part)>> {
        let Args { objects, large, changes, rounds, .. } = *args;
        Ok(match self {
            Self::Engine => {
                let mut part = engine::run(SECONDS).await?;
                let (memory, fan_out) = engine::crowd::run(args.plugins).await?;
                let (times, drift) = engine::swap::run(args.swaps).await?;
                for (key, what, times) in [
                    (
                        "fan-out",
                        "one change → the last of the plugins that depend on it, ms",
                        fan_out,
                    ),
                    (
                        "swap-cached",
                        "file replaced → first call, from the compile cache, ms",
                        times.cached,
                    ),
                    ("swap-compiled", "file replaced → first call, compiled, ms", times.compiled),
                ] {
                    engine::add(&mut part, key, what, 1, &times);
                }
                vec![("engine", part), ("plugins", memory), ("swaps", drift)]
            }
            Self::Hello => {
                let counted = COUNTED.min(objects);
                let sizes = hello::Sizes { objects, large, changes, counted, rounds };
                vec![("hello", hello::run(sizes).await?)]
            }
            Self::Neighbour => vec![("neighbour", neighbour::run(changes, rounds).await?)],
            Self::Tasks => {
                let counted = (5 * COUNTED).min(args.tasks);
                let sizes = tasks::Sizes { tasks: args.tasks, counted, rounds };
                vec![("tasks", tasks::run(sizes).await?)]
            }
        })
    }
}
