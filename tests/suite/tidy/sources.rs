//! The source files of the repository, found by walking its folders.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use joch_tests::paths;

/// The folders that hold our sources; one that does not exist yet is passed over.
const FOLDERS: [&str; 8] =
    ["cli", "crds", "devcluster", "examples", "host", "plugins", "tests", "worker"];
/// Folders of what is built, wherever they are.
const BUILT: [&str; 3] = ["target", "dist", "node_modules"];

/// A source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Relative to the repository's root.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    pub(super) fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// Whether the file holds nothing but tests.
    pub(super) fn is_test(&self) -> bool {
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
        name == "tests"
            || name.ends_with("_test")
            || self.path.components().any(|c| c.as_os_str() == "tests")
                && !self.path.starts_with("tests")
    }
}

/// Every `.rs` and `.go` file of the repository.
pub(super) fn all() -> Result<Vec<Source>> {
    let root = paths::root();
    let mut found = Vec::new();
    for folder in FOLDERS {
        walk(&root, &root.join(folder), &mut found)?;
    }
    // Otherwise every rule would hold.
    ensure!(found.len() > 50, "only {} source files below {root:?}", found.len());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {folder:?}"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !BUILT.contains(&name.as_ref()) && !name.starts_with('.') {
            walk(root, &path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "go") {
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
            found.push(Source { path: path.strip_prefix(root)?.to_owned(), text });
        }
    }
    Ok(())
}

/// A sample for a rule's self-check.
#[cfg(test)]
pub(super) fn sample(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.to_owned() }
}
