//! Where the SDK for Rust is: it is on no registry, so a project refers to it by path.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure};

/// The SDK of the checkout that this program was built from.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/sdk");

/// Crates that a project refers to, and the lock file that they are tested with.
#[derive(Debug, Clone)]
pub(super) struct Sdk {
    pub(super) folder: String,
    pub(super) fake: String,
    pub(super) lock: Option<String>,
}

/// Finds the SDK in `given`, or where this program was built from.
pub(super) fn find(given: Option<&Path>) -> anyhow::Result<Sdk> {
    let folder = given.unwrap_or(Path::new(BUILT_FROM));
    let folder = is_crate(folder, "joch-plugin")?;
    let plugins = folder.parent().unwrap_or(&folder).to_owned();
    let fake = is_crate(&plugins.join("fake"), "joch-fake")?;
    let root = plugins.parent().unwrap_or(&plugins);
    // The same versions as in the checkout, so that a build needs no registry where that was built.
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).ok();
    Ok(Sdk { folder: text(&folder)?, fake: text(&fake)?, lock })
}

/// The absolute path of a folder, if it is that of the crate `name`.
fn is_crate(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let found = manifest.get("package").and_then(|package| package.get("name"));
    ensure!(
        found.and_then(toml::Value::as_str) == Some(name),
        "the crate {name} is not in {}: give the folder plugins/sdk of a checkout of Joch with --sdk, \
         or in JOCH_SDK",
        folder.display()
    );
    Ok(folder.canonicalize()?)
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().filter(|text| !text.contains(['"', '\\']));
    let text = text.ok_or_else(|| {
        anyhow!("the path {} has characters that Cargo.toml cannot hold: move it", path.display())
    })?;
    Ok(text.to_owned())
}
