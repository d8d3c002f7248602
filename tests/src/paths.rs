//! Where things are: the repository, what was built, and what a test leaves for people to read.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// The repository's root: of the checkout that runs, which may share a target folder with the one that was
/// built.
#[must_use]
pub fn root() -> PathBuf {
    let built = || env!("CARGO_MANIFEST_DIR").into();
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built, PathBuf::from);
    here.parent().unwrap_or(&here).to_owned()
}

/// The first of `candidates` that exists, relative to `$JOCH_DIST` if that is set, else to `dist/` and
/// then, by `built`, to the repository's root.
///
/// # Errors
/// If none exists; the text lists where was looked and `hint`.
pub fn find(candidates: &[&str], built: &str, hint: &str) -> Result<PathBuf> {
    let dist = std::env::var_os("JOCH_DIST").map(PathBuf::from);
    let mut places = Vec::new();
    let folder = dist.clone().unwrap_or_else(|| root().join("dist"));
    places.extend(candidates.iter().map(|candidate| folder.join(candidate)));
    if dist.is_none() {
        places.push(root().join(built));
    }
    match places.iter().find(|place| place.exists()) {
        Some(place) => Ok(place.clone()),
        None => bail!("not built: none of {places:?} exists; {hint}"),
    }
}

/// The folder of everything that tests write: `target/joch-tests`.
///
/// # Errors
/// If it cannot be made.
pub fn scratch() -> Result<PathBuf> {
    let folder = root().join("target/joch-tests");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {folder:?}"))?;
    Ok(folder)
}

/// A fresh folder for the files and logs of one test, which survives the test for people to read.
///
/// # Errors
/// If it cannot be made.
pub fn logs(test: &str) -> Result<PathBuf> {
    let folder = scratch()?.join(test.replace("::", "."));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {folder:?}"))?;
    }
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {folder:?}"))?;
    Ok(folder)
}
