//! `joch plugin test`: calls a component, of whatever language, in worlds that files describe.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure};
use joch_artifact::Package;
use joch_engine::{Component, Engine, EngineConfig};
use serde::Serialize;

use self::case::CaseFile;
use self::compare::Difference;
use super::package;
use crate::Verdict;
use crate::console::{BAD, DIM, END, GOOD, Output, Progress};

mod call;
mod case;
mod compare;
mod log;
mod observed;
mod session;
mod world;

/// Call a plugin in worlds that files describe, and compare what it does
///
/// Each YAML document of a case file is one case: the objects `given`, the one to `reconcile` or
/// `finalize`, and what to `expect`. The component runs as in the host, with its limits and with all that
/// its manifest asks for, against a cluster in memory.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// The plugin's file
    file: PathBuf,

    /// Case files, or folders of them (*.yaml)
    #[arg(default_value = "cases")]
    cases: Vec<PathBuf>,

    /// Write what is observed into the files as what to expect, where they differ
    #[arg(long, env = "JOCH_BLESS", hide_env_values = true)]
    bless: bool,

    #[command(flatten)]
    output: Output,
}

/// What became of one case.
#[derive(Debug, Serialize)]
struct Tried {
    file: String,
    case: String,
    result: &'static str,
    differences: Vec<Difference>,
    log: Vec<String>,
}

/// The plugin, compiled once for all cases.
struct Subject {
    package: Package,
    engine: Engine,
    component: Component,
}

pub(super) fn run(test: &Test, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    let subject = subject(&test.file)?;
    let mut tried = Vec::new();
    for path in files(&test.cases)? {
        tried.extend(try_file(&subject, &path, test.bless)?);
    }
    test.output.print(&tried, out, |out| show(&tried, out))?;
    let failed = tried.iter().any(|tried| tried.result == "failed");
    Ok(if failed { Verdict::Bad } else { Verdict::Good })
}

fn subject(file: &Path) -> anyhow::Result<Subject> {
    let package = package(file)?;
    let engine = Engine::new(&EngineConfig { max_instances: 1 })?;
    let progress = Progress::of(format!("compiling {}", file.display()));
    let component = engine
        .load(&package.bytes)
        .map_err(|error| anyhow!(error).context(file.display().to_string()))?;
    drop(progress);
    Ok(Subject { package, engine, component })
}

/// The case files meant, in order.
fn files(given: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path)
            .map_err(|error| anyhow!("the folder {} cannot be read: {error}", path.display()))?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        let yaml = |path: &PathBuf| path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        let mut inside: Vec<PathBuf> = paths.into_iter().filter(yaml).collect();
        ensure!(!inside.is_empty(), "the folder {} has no case file (*.yaml)", path.display());
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn try_file(subject: &Subject, path: &Path, bless: bool) -> anyhow::Result<Vec<Tried>> {
    let mut file = CaseFile::read(path)?;
    let mut tried = Vec::new();
    for index in 0..file.cases.len() {
        let Some(case) = file.cases.get(index) else { break };
        let name = case.name.clone().unwrap_or_else(|| format!("case {}", index + 1));
        let observed = call::call(subject, case)
            .map_err(|error| error.context(format!("{}: {name}", path.display())))?;
        let differences = compare::compare(&case.expect, &observed);
        let result = match (differences.is_empty(), bless) {
            (true, _) => "ok",
            (false, true) => "blessed",
            (false, false) => "failed",
        };
        if result == "blessed" {
            file.bless(index, &observed.blessed())?;
        }
        let log = observed.log;
        let file = path.display().to_string();
        tried.push(Tried { file, case: name, result, differences, log });
    }
    if tried.iter().any(|tried| tried.result == "blessed") {
        file.write(path)?;
    }
    Ok(tried)
}

fn show(tried: &[Tried], out: &mut dyn Write) -> anyhow::Result<()> {
    for Tried { file, case, result, differences, log } in tried {
        let style = if *result == "failed" { BAD } else { GOOD };
        writeln!(out, "{style}{result:<7}{END} {file}: {case}")?;
        if *result != "failed" {
            continue;
        }
        for Difference { at, expected, observed } in differences {
            writeln!(out, "  {at}")?;
            for line in expected.lines() {
                writeln!(out, "    {GOOD}- {line}{END}")?;
            }
            for line in observed.lines() {
                writeln!(out, "    {BAD}+ {line}{END}")?;
            }
        }
        for line in log {
            writeln!(out, "  {DIM}logged: {line}{END}")?;
        }
    }
    let failed = tried.iter().filter(|tried| tried.result == "failed").count();
    if failed > 0 {
        writeln!(out, "{failed} of {} cases failed (- expected, + observed)", tried.len())?;
    }
    Ok(())
}
