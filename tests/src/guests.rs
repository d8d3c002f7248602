//! Built components, other versions of them, and a plugin folder that is changed as people do.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use wasm_encoder::{ComponentSection as _, CustomSection};

use crate::paths;

/// The bytes of a built plugin, example or fixture: `kubetask`, `hello-controller`, `puppet`.
///
/// # Errors
/// If it is not built.
pub fn component(name: &str) -> Result<Vec<u8>> {
    let file = format!("{}.wasm", name.replace('-', "_"));
    let built = format!("target/wasm32-wasip2/guest/{file}");
    let places = ["plugins", "examples", "fixtures"].map(|folder| format!("{folder}/{name}.wasm"));
    let path = paths::find(
        &places.each_ref().map(String::as_str),
        &built,
        "run `make plugins languages`",
    )?;
    std::fs::read(&path).with_context(|| format!("cannot read {path:?}"))
}

/// The same component under another digest: a custom section more, at the outermost component.
#[must_use]
pub fn new_version(component: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let data = Cow::Owned(number.to_le_bytes().to_vec());
    CustomSection { name: Cow::Borrowed("joch-test-version"), data }
        .append_to_component(&mut bytes);
    bytes
}

/// A folder of plugins. Files appear and are replaced in one step, by renaming.
#[derive(Debug)]
pub struct PluginFolder {
    folder: PathBuf,
    staging: PathBuf,
}

impl PluginFolder {
    /// Makes `plugins` below `parent`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(parent: &Path) -> Result<Self> {
        let this = Self { folder: parent.join("plugins"), staging: parent.join("staging") };
        std::fs::create_dir_all(&this.folder)?;
        std::fs::create_dir_all(&this.staging)?;
        Ok(this)
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Puts a plugin into the folder, or replaces it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn install(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let staged = self.staging.join(file);
        std::fs::write(&staged, bytes)?;
        std::fs::rename(&staged, self.folder.join(file))?;
        Ok(())
    }

    /// Removes a plugin.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove(&self, file: &str) -> Result<()> {
        Ok(std::fs::remove_file(self.folder.join(file))?)
    }
}

#[cfg(test)]
mod tests {
    use joch_core::name::Digest;

    use super::*;

    #[test]
    fn versions_of_a_component_differ_in_their_digest_only() {
        let component = wat::parse_str("(component)").unwrap();
        let (one, two) = (new_version(&component, 1), new_version(&component, 2));
        assert!(one.starts_with(&component));
        assert_ne!(Digest::of(&one), Digest::of(&two));
        assert_eq!(one, new_version(&component, 1));
    }
}
