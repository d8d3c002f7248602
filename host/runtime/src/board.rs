//! What is known of each plugin: live version, last refusal. The source of `/debug/plugins`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use joch_controller::ControllerView;
use joch_core::name::{Digest, PluginName};
use serde::Serialize;

/// One file of the plugin folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileView {
    /// The plugin's name, once a version of the file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plugin: Option<PluginName>,
    /// The digest of the live version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// The live version's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// How long it took from the file's bytes to the live version, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) load_millis: Option<u64>,
    /// Optional requests that were not granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing_grants: Vec<String>,
    /// Why the newest bytes of the file are not live, if they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<Refusal>,
}

/// A version that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    /// Its digest, if it could be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// One sentence.
    pub(crate) reason: String,
}

/// The whole of `/debug/plugins`.
#[derive(Debug, Serialize)]
pub(crate) struct Overview {
    /// By file.
    pub(crate) files: BTreeMap<PathBuf, FileView>,
    /// By plugin and controller.
    pub(crate) controllers: Vec<ControllerView>,
}

/// The files by path.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<PathBuf, FileView>>);

impl Board {
    /// A version went live.
    pub(crate) fn live(&self, path: &Path, view: FileView) {
        self.files().insert(path.to_owned(), view);
    }

    /// A version was refused; what was live before stays so.
    pub(crate) fn refused(&self, path: &Path, digest: Option<Digest>, reason: String) {
        let digest = digest.map(|digest| digest.to_string());
        self.files().entry(path.to_owned()).or_default().refused = Some(Refusal { digest, reason });
    }

    /// A file is gone; the plugin that it had made live is returned.
    pub(crate) fn gone(&self, path: &Path) -> Option<PluginName> {
        self.files().remove(path).filter(|view| view.digest.is_some())?.plugin
    }

    /// The file that made a plugin live.
    pub(crate) fn file_of(&self, plugin: &PluginName) -> Option<PathBuf> {
        let files = self.files();
        let live = |view: &FileView| view.digest.is_some() && view.plugin.as_ref() == Some(plugin);
        files.iter().find(|(_, view)| live(view)).map(|(path, _)| path.clone())
    }

    /// The digest that a file made live.
    pub(crate) fn digest_of(&self, path: &Path) -> Option<String> {
        self.files().get(path)?.digest.clone()
    }

    /// A copy of everything.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, FileView> {
        self.files().clone()
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, FileView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_leaves_the_live_version_and_a_file_that_never_was_live_unloads_nothing() {
        let board = Board::default();
        let (good, bad) = (Path::new("good.wasm"), Path::new("bad.wasm"));
        let plugin: PluginName = "p".parse().unwrap();
        let view = FileView {
            plugin: Some(plugin.clone()),
            digest: Some("sha256:1".into()),
            ..FileView::default()
        };
        board.live(good, view);
        board.refused(good, None, "cut off".into());
        board.refused(bad, None, "junk".into());
        assert_eq!(board.digest_of(good).as_deref(), Some("sha256:1"));
        assert_eq!(board.file_of(&plugin).as_deref(), Some(good));
        assert_eq!(board.gone(bad), None);
        assert_eq!(board.gone(good), Some(plugin));
        assert!(board.snapshot().is_empty());
    }
}
