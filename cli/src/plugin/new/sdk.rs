//! Where the SDK for Rust is: it is on no registry, so a project refers to it by path.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure};

/// The SDK of the checkout that this program was built from.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/sdk");

/// The crate that a project refers to, and the lock file that it is tested with.
#[derive(Debug, Clone)]
pub(super) struct Sdk {
    pub(super) folder: String,
    pub(super) lock: Option<String>,
}

/// Finds the SDK in `given`, or where this program was built from.
pub(super) fn find(given: Option<&Path>) -> anyhow::Result<Sdk> {
    let folder = is_sdk(given.unwrap_or(Path::new(BUILT_FROM)))?;
    // The same versions as in the checkout, so that a build needs no registry where that was built.
    let lock = folder.ancestors().nth(2).map(|root| root.join("Cargo.lock"));
    let lock = lock.and_then(|lock| std::fs::read_to_string(lock).ok());
    let folder = folder.to_str().filter(|text| !text.contains(['"', '\\'])).ok_or_else(|| {
        anyhow!("the path {} has characters that Cargo.toml cannot hold: move it", folder.display())
    })?;
    Ok(Sdk { folder: folder.to_owned(), lock })
}

/// The absolute path of a folder, if it is the SDK's.
fn is_sdk(folder: &Path) -> anyhow::Result<PathBuf> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let name = manifest.get("package").and_then(|package| package.get("name"));
    ensure!(
        name.and_then(toml::Value::as_str) == Some("joch-plugin"),
        "the SDK is not in {}: give the folder plugins/sdk of a checkout of Joch with --sdk or in \
         JOCH_SDK",
        folder.display()
    );
    Ok(folder.canonicalize()?)
}
