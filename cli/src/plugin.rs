//! `joch plugin`: from a template to a component that a host takes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use joch_artifact::Package;

use crate::Verdict;
use crate::console;

mod check;
mod compile;
mod inspect;
mod new;
mod pack;
mod requests;
mod test;

#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    New(new::New),
    Build(compile::Build),
    Pack(pack::Pack),
    Inspect(inspect::Inspect),
    Check(check::Check),
    Test(test::Test),
}

pub(crate) fn run(verb: PluginVerb, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    match verb {
        PluginVerb::New(new) => new::run(&new, out),
        PluginVerb::Build(build) => compile::run(&build, out),
        PluginVerb::Pack(pack) => pack::run(&pack, out),
        PluginVerb::Inspect(inspect) => inspect::run(&inspect, out),
        PluginVerb::Check(check) => check::run(&check, out),
        PluginVerb::Test(test) => test::run(&test, out),
    }
}

/// Reads a file, with its name in the error.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).map_err(|error| anyhow!("{} cannot be read: {error}", path.display()))
}

/// Reads a plugin's file.
fn package(path: &Path) -> anyhow::Result<Package> {
    Package::read(read(path)?).with_context(|| path.display().to_string())
}

/// Writes a plugin's file in one step, so that a host that watches the folder never sees half of it.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut staged = tempfile::Builder::new().prefix(".joch-").tempfile_in(folder)?;
        staged.write_all(bytes)?;
        staged.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        staged.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(|error| anyhow!("{} cannot be written: {error}", path.display()))
}

/// Says which file was made, and what is in it.
fn announce(path: &Path, package: &Package, out: &mut dyn Write) -> anyhow::Result<()> {
    let identity = &package.manifest.plugin;
    let mut table = console::table(&["FILE", "PLUGIN", "VERSION", "SIZE", "DIGEST"]);
    table.add_row([
        path.display().to_string(),
        identity.name.to_string(),
        identity.version.clone(),
        console::size(package.size()),
        package.digest.to_string(),
    ]);
    console::print_table(&table, out)
}
