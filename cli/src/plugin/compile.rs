//! `joch plugin build`: from a project to one file that a host takes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow, ensure};
use joch_core::manifest::Manifest;

use super::{announce, package, read, write};
use crate::Verdict;

mod cargo;

/// Build a project into dist/<plugin>.wasm
///
/// A folder with a Cargo.toml is built by cargo for wasm32-wasip2, small before fast: with the profile
/// `guest` of its Cargo.toml, or a built-in one of that name. In any other folder, `make` has to make
/// dist/<plugin>.wasm, for example with `joch plugin pack`.
#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    project: PathBuf,
}

pub(super) fn run(build: &Build, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    let project = &build.project;
    ensure!(project.is_dir(), "there is no folder {}", project.display());
    let target = if project.join("Cargo.toml").is_file() {
        let component = cargo::build(project)?;
        let package = package(&component)?;
        let target = project.join("dist").join(format!("{}.wasm", package.manifest.plugin.name));
        write(&target, &package.bytes)?;
        target
    } else {
        make(project)?
    };
    announce(target.strip_prefix(".").unwrap_or(&target), &package(&target)?, out)?;
    Ok(Verdict::Good)
}

/// Runs the project's own make, which knows its language.
fn make(project: &Path) -> anyhow::Result<PathBuf> {
    ensure!(
        project.join("Makefile").is_file(),
        "{} has neither a Cargo.toml nor a Makefile: begin with `joch plugin new`, or write a Makefile \
         that makes dist/<plugin>.wasm",
        project.display()
    );
    let manifest = project.join("plugin.toml");
    let text = String::from_utf8(read(&manifest)?)
        .map_err(|_| anyhow!("{} is not UTF-8 text", manifest.display()))?;
    let name = Manifest::parse(&text).with_context(|| manifest.display().to_string())?.plugin.name;
    // What make prints is for people, and ours for whoever reads stdout.
    let run = Command::new("make").arg("-C").arg(project).stdout(std::io::stderr()).status();
    let status = run.map_err(|error| anyhow!("make cannot be run ({error}): install it"))?;
    ensure!(status.success(), "make failed in {}", project.display());
    let target = project.join("dist").join(format!("{name}.wasm"));
    ensure!(target.is_file(), "make made no {}: its first target has to", target.display());
    Ok(target)
}
