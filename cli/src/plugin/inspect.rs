//! `joch plugin inspect`: what a plugin's file says about itself. Nothing of it runs.

use std::io::Write;
use std::path::PathBuf;

use crate::Verdict;
use crate::console::{self, Output};

use self::description::Description;
use super::package;

mod description;
mod interfaces;

/// Show what a plugin is, what it reconciles, and what it asks for; runs nothing of it
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// The plugin's file
    file: PathBuf,

    #[command(flatten)]
    output: Output,
}

pub(super) fn run(inspect: &Inspect, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    let package = package(&inspect.file)?;
    let description = Description::of(&package)?;
    inspect.output.print(&description, out, |out| show(&description, out))?;
    Ok(Verdict::Good)
}

fn show(description: &Description, out: &mut dyn Write) -> anyhow::Result<()> {
    let Description { limits, controllers, requests, dangerous, metrics, imports, exports, .. } =
        description;
    for (label, value) in [
        ("Name", &description.name),
        ("Version", &description.version),
        ("Kind", &description.kind),
        ("Track", &description.track),
        ("Digest", &description.digest),
        ("Size", &console::size(description.size)),
    ] {
        writeln!(out, "{label:<10}{value}")?;
    }

    writeln!(out)?;
    let mut table = console::table(&["CONTROLLER", "RECONCILES", "WATCHES", "FINALIZER"]);
    for controller in controllers {
        table.add_row([
            controller.name.clone(),
            controller.reconciles.join("\n"),
            list(&controller.watches),
            controller.finalizer.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    console::print_table(&table, out)?;

    writeln!(out)?;
    let mut table = console::table(&["REQUEST", "WHAT", "WHERE", "REQUIRED"]);
    for request in requests {
        let required = if request.required { "yes" } else { "no" };
        table.add_row([
            request.of.to_owned(),
            request.what.clone(),
            request.place.clone(),
            required.to_owned(),
        ]);
    }
    console::print_table(&table, out)?;

    if !dangerous.is_empty() {
        writeln!(out)?;
        let mut table = console::table(&["DANGEROUS"]);
        table.add_rows(dangerous.iter().map(|part| [part]));
        console::print_table(&table, out)?;
    }

    if !metrics.is_empty() {
        writeln!(out)?;
        let mut table = console::table(&["METRIC", "KIND", "LABELS", "HELP"]);
        for metric in metrics {
            let labels = list(&metric.labels);
            table.add_row([
                metric.name.clone(),
                metric.kind.to_owned(),
                labels,
                metric.help.clone(),
            ]);
        }
        console::print_table(&table, out)?;
    }

    writeln!(out)?;
    let mut table = console::table(&["LIMIT", "VALUE"]);
    for (name, value) in limits {
        table.add_row([*name, value.as_str()]);
    }
    console::print_table(&table, out)?;

    writeln!(out)?;
    let mut table = console::table(&["IMPORTS", "EXPORTS"]);
    table.add_row([list(imports), list(exports)]);
    console::print_table(&table, out)
}

fn list(lines: &[String]) -> String {
    if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
}
