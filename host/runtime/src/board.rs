//! What is known of each plugin and of each file of the folder. The source of `/debug/plugins` and of the
//! Plugin objects' status.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use joch_controller::ControllerView;
use joch_core::name::{Digest, PluginName};
use joch_core::time::rfc3339;
use joch_crds::joch::{HistoryEntry, HistoryEvent};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::record::{Record, Standby};

/// One file of the plugin folder, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileView {
    /// The plugin's name, once a version of the file was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<PluginName>,
    /// The digest of the live version.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The live version's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// How long it took from the file's bytes to the live version, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    load_millis: Option<u64>,
    /// Optional requests that were not granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_grants: Vec<String>,
    /// Why the newest bytes of the file are not live, if they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<RefusalView>,
}

/// A version that was refused, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RefusalView {
    /// Its digest, if it could be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// One sentence.
    reason: String,
}

/// The whole of `/debug/plugins`.
#[derive(Debug, Serialize)]
pub(crate) struct Overview {
    /// By file.
    files: BTreeMap<PathBuf, FileView>,
    /// By plugin: what its Plugin object's status says, or would say; of those of other replicas, which
    /// one has it.
    plugins: BTreeMap<PluginName, Value>,
    /// By plugin and controller.
    controllers: Vec<ControllerView>,
}

/// One file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileState {
    /// It makes this plugin.
    Makes(PluginName),
    /// It makes none: one sentence why.
    Unused { plugin: Option<PluginName>, digest: Option<Digest>, reason: String },
}

/// Files and plugins.
#[derive(Debug, Default)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<PathBuf, FileState>,
    records: BTreeMap<PluginName, Record>,
}

impl Board {
    /// Changes or reads what is known of a plugin.
    pub(crate) fn with<T>(&self, plugin: &PluginName, change: impl FnOnce(&mut Record) -> T) -> T {
        let result = change(self.lock().records.entry(plugin.clone()).or_default());
        self.changed.notify_one();
        result
    }

    /// The same, unless nothing is known of it.
    pub(crate) fn with_known(&self, plugin: &PluginName, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.lock().records.get_mut(plugin) {
            change(record);
        }
        self.changed.notify_one();
    }

    /// Adds to a plugin's history.
    pub(crate) fn note(
        &self,
        plugin: &PluginName,
        event: HistoryEvent,
        digest: Option<Digest>,
        version: Option<String>,
        reason: &str,
        message: String,
    ) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = rfc3339(u64::try_from(since.as_millis()).unwrap_or_default());
        let digest = digest.map(|digest| digest.to_string());
        let reason = reason.to_owned();
        let entry = HistoryEntry { at, event, digest, version, reason, message };
        self.with(plugin, |record| record.note(entry));
    }

    /// The plugin is another replica's: what is known of it is in its object.
    pub(crate) fn stand_by(&self, plugin: &PluginName, holder: Option<String>) {
        let mut inner = self.lock();
        inner.records.entry(plugin.clone()).or_default().stand_by(Standby { holder });
        drop(inner);
        self.changed.notify_one();
    }

    /// Whether anything is known of a plugin.
    pub(crate) fn is_known(&self, plugin: &PluginName) -> bool {
        self.lock().records.contains_key(plugin)
    }

    /// Forgets a plugin.
    pub(crate) fn remove(&self, plugin: &PluginName) {
        self.lock().records.remove(plugin);
        self.changed.notify_one();
    }

    /// The files of the folder, as they are now; those whose state is news are returned.
    pub(crate) fn set_files(
        &self,
        files: BTreeMap<PathBuf, FileState>,
    ) -> Vec<(PathBuf, FileState)> {
        let mut inner = self.lock();
        let news = files.iter().filter(|(path, state)| inner.files.get(*path) != Some(state));
        let news = news.map(|(path, state)| (path.clone(), state.clone())).collect();
        inner.files = files;
        news
    }

    /// The file that makes a plugin.
    pub(crate) fn file_of(&self, plugin: &PluginName) -> Option<PathBuf> {
        let makes = FileState::Makes(plugin.clone());
        let inner = self.lock();
        inner.files.iter().find(|(_, state)| **state == makes).map(|(path, _)| path.clone())
    }

    /// The plugin that a file makes.
    pub(crate) fn made_by(&self, file: &Path) -> Option<PluginName> {
        match self.lock().files.get(file)? {
            FileState::Makes(plugin) => Some(plugin.clone()),
            FileState::Unused { .. } => None,
        }
    }

    /// What the status of the object of each plugin of this replica should say.
    pub(crate) fn reports(&self, controllers: &[ControllerView]) -> BTreeMap<PluginName, Value> {
        let own = |name: &PluginName| -> Vec<ControllerView> {
            let views = controllers.iter().filter(|view| view.plugin == name.as_str());
            views.cloned().collect()
        };
        let inner = self.lock();
        let report =
            |(name, record): (&PluginName, &Record)| (name.clone(), record.report(&own(name)));
        inner.records.iter().filter(|(_, record)| record.standby.is_none()).map(report).collect()
    }

    /// Waits for a change.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Everything, for people.
    pub(crate) fn overview(&self, controllers: Vec<ControllerView>) -> Overview {
        let mut plugins = self.reports(&controllers);
        let inner = self.lock();
        for (name, record) in &inner.records {
            if let Some(standby) = &record.standby {
                let view = json!({"phase": "Standby", "holder": standby.holder});
                plugins.insert(name.clone(), view);
            }
        }
        let files = inner.files.iter();
        let files =
            files.map(|(path, state)| (path.clone(), view(state, &inner.records))).collect();
        Overview { files, plugins, controllers }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn view(state: &FileState, records: &BTreeMap<PluginName, Record>) -> FileView {
    match state {
        FileState::Unused { plugin, digest, reason } => FileView {
            plugin: plugin.clone(),
            refused: Some(RefusalView {
                digest: digest.map(|digest| digest.to_string()),
                reason: reason.clone(),
            }),
            ..FileView::default()
        },
        FileState::Makes(name) => {
            let record = records.get(name);
            let live = record.and_then(|record| record.live.as_ref());
            let refusal = record.and_then(|record| record.refusal.as_ref());
            FileView {
                plugin: Some(name.clone()),
                digest: live.map(|live| live.digest.clone()),
                version: live.map(|live| live.version.clone()),
                load_millis: live.map(|live| live.load_millis),
                missing_grants: record
                    .map(|record| record.grants.missing.clone())
                    .unwrap_or_default(),
                refused: refusal.map(|refusal| RefusalView {
                    digest: refusal.digest.clone(),
                    reason: refusal.message.clone(),
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use joch_core::finalizer::Kept;

    use super::*;

    #[test]
    fn files_are_told_once_and_show_their_plugins() {
        let board = Board::default();
        let plugin: PluginName = "p".parse().unwrap();
        let unused = FileState::Unused { plugin: None, digest: None, reason: "junk".to_owned() };
        let files = BTreeMap::from([
            (PathBuf::from("good.wasm"), FileState::Makes(plugin.clone())),
            (PathBuf::from("bad.wasm"), unused),
        ]);
        assert_eq!(board.set_files(files.clone()).len(), 2);
        assert!(board.set_files(files).is_empty());
        assert_eq!(board.file_of(&plugin).as_deref(), Some(Path::new("good.wasm")));
        assert_eq!(board.made_by(Path::new("bad.wasm")), None);
        board.with(&plugin, |record| record.grants.missing.push("create on v1/ConfigMap".into()));
        let overview = board.overview(Vec::new());
        assert_eq!(overview.files[Path::new("good.wasm")].missing_grants.len(), 1);
        assert_eq!(
            overview.files[Path::new("bad.wasm")].refused.as_ref().map(|it| it.reason.as_str()),
            Some("junk")
        );
        assert_eq!(overview.plugins[&plugin]["phase"], "Loading");
        let kept = Kept { kind: "a.io/v1/A".parse().unwrap(), name: "a.io/one".into() };
        board.with(&plugin, |record| record.finalizers.insert(kept.clone()));
        board.stand_by(&plugin, Some("other".to_owned()));
        assert!(board.with(&plugin, |record| record.finalizers.contains(&kept)));
        assert!(board.reports(&[]).is_empty(), "another replica writes its status");
        let overview = board.overview(Vec::new());
        assert_eq!(overview.plugins[&plugin], json!({"phase": "Standby", "holder": "other"}));
    }
}
