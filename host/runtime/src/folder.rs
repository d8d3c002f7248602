//! Keeps the live plugins in step with the folder: a level-based comparison of what is there with what is
//! live, so that renames, swaps and half-written files need no cases of their own.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use joch_artifact::{FolderEntry, FolderOptions, FolderState, FolderWatch, Found};
use joch_core::name::{Digest, PluginName};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::board::Board;
use crate::load::Loader;

/// What was last tried of a file: these bytes with these settings.
type Tried = (Digest, Option<Arc<str>>);

/// Loads what is in the folder, reports that by `scanned`, and follows it until `stop`.
///
/// # Errors
/// The folder cannot be watched.
pub(crate) async fn follow(
    folder: &Path,
    loader: &Loader,
    board: &Board,
    scanned: impl FnOnce(),
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let path = folder.to_owned();
    let started =
        tokio::task::spawn_blocking(move || FolderWatch::start(&path, FolderOptions::default()));
    let mut watch = started.await.context("the folder's first look was interrupted")??;
    let mut folder = Folder { loader, board, tried: HashMap::new() };
    let first = watch.state();
    if first.entries.is_empty() {
        warn!("the plugin folder holds no *.wasm file yet");
    }
    folder.apply(&first).await;
    scanned();
    while let Some(Some(state)) = stop.run_until_cancelled(watch.changed()).await {
        folder.apply(&state).await;
    }
    anyhow::ensure!(stop.is_cancelled(), "the watch of the plugin folder ended");
    Ok(())
}

struct Folder<'a> {
    loader: &'a Loader,
    board: &'a Board,
    tried: HashMap<PathBuf, Tried>,
}

impl Folder<'_> {
    async fn apply(&mut self, state: &FolderState) {
        if let Some(problem) = &state.problem {
            warn!(problem, "the plugin folder cannot be read; what is live stays so");
        }
        let claims = self.claims(state);
        self.unload_gone(state, &claims).await;
        for entry in &state.entries {
            self.consider(entry, &claims).await;
        }
    }

    /// Which file makes which plugin: the one that does so already, else the first by path.
    fn claims(&self, state: &FolderState) -> BTreeMap<PluginName, PathBuf> {
        let mut claims = BTreeMap::new();
        for (path, name) in state.entries.iter().filter_map(named) {
            let holder = self.board.file_of(&name);
            if holder.as_deref() == Some(path) {
                claims.insert(name, path.to_owned());
            } else {
                claims.entry(name).or_insert_with(|| path.to_owned());
            }
        }
        claims
    }

    async fn unload_gone(&mut self, state: &FolderState, claims: &BTreeMap<PluginName, PathBuf>) {
        let there = |path: &PathBuf| state.entries.iter().any(|entry| entry.path == *path);
        self.tried.retain(|path, _| there(path));
        for path in self.board.snapshot().into_keys().filter(|path| !there(path)) {
            if let Some(plugin) = self.board.gone(&path)
                && !claims.contains_key(&plugin)
            {
                self.unload(&plugin).await;
            }
        }
    }

    async fn unload(&mut self, plugin: &PluginName) {
        info!(%plugin, "plugin is unloaded; its objects stay");
        self.loader.registry.remove(plugin).await;
        // What it held back may be claimed by others now.
        let refused = |path: &PathBuf| {
            self.board.snapshot().get(path).is_some_and(|view| view.refused.is_some())
        };
        self.tried.retain(|path, _| !refused(path));
    }

    async fn consider(&mut self, entry: &FolderEntry, claims: &BTreeMap<PluginName, PathBuf>) {
        let path = &entry.path;
        let (found, config) = match (&entry.plugin, &entry.config) {
            (Ok(found), Ok(config)) => (found, config),
            (Err(error), _) | (_, Err(error)) => {
                // The version tried before may be put back, and is no longer refused then.
                self.tried.remove(path);
                return self.refuse(path, None, error.to_string());
            }
        };
        let name = &found.manifest.plugin.name;
        if let Some(holder) = claims.get(name).filter(|holder| *holder != path) {
            let reason =
                format!("plugin {:?} already comes from {}", name.as_str(), holder.display());
            return self.refuse(path, Some(found), reason);
        }
        let attempt = (found.digest, config.clone());
        if self.tried.get(path) == Some(&attempt) {
            return;
        }
        self.tried.insert(path.clone(), attempt);
        let before = self.board.snapshot().remove(path).and_then(|view| view.plugin);
        match self.load(entry, config.as_deref().unwrap_or("{}")).await {
            Ok(view) => self.board.live(path, view),
            Err(reason) => return self.refuse(path, Some(found), reason),
        }
        if let Some(before) = before.filter(|before| before != name && !claims.contains_key(before))
        {
            self.unload(&before).await;
        }
    }

    async fn load(
        &self,
        entry: &FolderEntry,
        config: &str,
    ) -> Result<crate::board::FileView, String> {
        let entry = entry.clone();
        let package = tokio::task::spawn_blocking(move || entry.load())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        self.loader.load(package, config.to_owned()).await.map_err(|error| error.to_string())
    }

    /// Notes a refusal, and says so once per reason.
    fn refuse(&self, path: &Path, found: Option<&Found>, reason: String) {
        let known = self.board.snapshot().get(path).and_then(|view| view.refused.clone());
        if known.is_some_and(|known| known.reason == reason) {
            return;
        }
        let digest = found.map(|found| found.digest);
        let kept = self.board.digest_of(path);
        let digest_text = digest.map(|digest| digest.short());
        error!(
            file = %path.display(), digest = digest_text, kept = kept.as_deref().unwrap_or("none"), reason,
            "plugin is refused"
        );
        self.board.refused(path, digest, reason);
    }
}

fn named(entry: &FolderEntry) -> Option<(&Path, PluginName)> {
    let found = entry.plugin.as_ref().ok()?;
    Some((&entry.path, found.manifest.plugin.name.clone()))
}
