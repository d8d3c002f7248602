//! `joch plugin pack`: puts a manifest into a component that any language's tools made.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use joch_artifact::{Package, PackageError, with_manifest};

use super::{announce, read, write};
use crate::Verdict;

/// Put a manifest into a component, in place of one that it has
#[derive(Debug, clap::Args)]
pub(crate) struct Pack {
    /// The component, as componentize-py, ComponentizeJS, wasm-tools or cargo made it
    component: PathBuf,

    /// The manifest: plugin.toml
    manifest: PathBuf,

    /// File to write; may be the component itself
    #[arg(short, long, value_name = "FILE", env = "JOCH_OUT", hide_env_values = true)]
    out: PathBuf,
}

pub(super) fn run(pack: &Pack, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    let Pack { component, manifest, out: target } = pack;
    let bytes = read(component)?;
    let text = String::from_utf8(read(manifest)?)
        .map_err(|_| anyhow!("{} is not UTF-8 text", manifest.display()))?;
    let package = with_manifest(&bytes, &text).and_then(Package::read).map_err(|error| {
        let file = if matches!(error, PackageError::Manifest(_)) { manifest } else { component };
        anyhow!(error).context(file.display().to_string())
    })?;
    write(target, &package.bytes)?;
    announce(target, &package, out)?;
    Ok(Verdict::Good)
}
