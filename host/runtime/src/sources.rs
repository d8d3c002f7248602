//! Where Plugin objects' components come from: files and ConfigMaps, followed while an object names them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use joch_artifact::{FolderOptions, FolderState, FolderWatch, Package};
use joch_controller::{Feed, Registry};
use joch_crds::joch::{ConfigMapSource, PluginSource};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::wanted::Artifact;

/// The sources in use.
pub(crate) struct Sources {
    registry: Arc<Registry>,
    poke: Arc<Notify>,
    folders: HashMap<PathBuf, Result<Folder, String>>,
    maps: HashMap<ConfigMapSource, Map>,
}

/// A folder that holds a file of some Plugin object.
struct Folder {
    state: Arc<Mutex<Arc<FolderState>>>,
    task: JoinHandle<()>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A ConfigMap, and the component that was read from it last.
struct Map {
    feed: Feed,
    read: Option<(Arc<[u8]>, Looked)>,
}

/// What a source holds: a version, or why there is none.
type Looked = Result<Artifact, String>;

impl Sources {
    /// No sources; `poke` is notified of changes.
    pub(crate) fn new(registry: Arc<Registry>, poke: Arc<Notify>) -> Self {
        Self { registry, poke, folders: HashMap::new(), maps: HashMap::new() }
    }

    /// What a source holds now; nothing while that is not known yet.
    pub(crate) async fn look(&mut self, source: &PluginSource) -> Option<Looked> {
        match (&source.path, &source.config_map) {
            (Some(path), None) => Some(self.file(Path::new(path)).await),
            (None, Some(map)) => self.map(map),
            _ => Some(Err("spec.source names neither one path nor one configMap".to_owned())),
        }
    }

    /// Ends what no object names any more, and tries anew what could not be followed.
    pub(crate) fn keep_only(&mut self, used: &[PluginSource]) {
        let parents: Vec<_> = used
            .iter()
            .filter_map(|source| Path::new(source.path.as_ref()?).parent().map(Path::to_owned))
            .collect();
        self.folders.retain(|path, folder| folder.is_ok() && parents.contains(path));
        self.maps
            .retain(|map, _| used.iter().any(|source| source.config_map.as_ref() == Some(map)));
    }

    async fn file(&mut self, path: &Path) -> Looked {
        let parent = path.parent().ok_or_else(|| format!("{} is no file", path.display()))?;
        if !self.folders.contains_key(parent) {
            let folder = follow(parent.to_owned(), self.poke.clone()).await;
            self.folders.insert(parent.to_owned(), folder);
        }
        let folder = match self.folders.get(parent) {
            Some(Ok(folder)) => folder,
            Some(Err(error)) => return Err(error.clone()),
            None => return Err(format!("{} is not followed", parent.display())),
        };
        let state = folder.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let entry = state.entries.iter().find(|entry| entry.path == path);
        let entry = entry.ok_or_else(|| format!("{} does not exist", path.display()))?;
        Artifact::of_file(entry).map_err(|error| error.to_string())
    }

    fn map(&mut self, source: &ConfigMapSource) -> Option<Looked> {
        let (registry, poke) = (&self.registry, &self.poke);
        let map = self.maps.entry(source.clone()).or_insert_with(|| Map {
            feed: registry.feed(source.clone(), poke.clone()),
            read: None,
        });
        let bytes = match map.feed.held()? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        if let Some((_, artifact)) = map.read.as_ref().filter(|(read, _)| Arc::ptr_eq(read, &bytes))
        {
            return Some(artifact.clone());
        }
        let package = Package::read(bytes.to_vec());
        let artifact = package.map(Artifact::held).map_err(|error| error.to_string());
        map.read = Some((bytes, artifact.clone()));
        Some(artifact)
    }
}

async fn follow(folder: PathBuf, poke: Arc<Notify>) -> Result<Folder, String> {
    let started =
        tokio::task::spawn_blocking(move || FolderWatch::start(&folder, FolderOptions::default()));
    let mut watch = match started.await {
        Ok(Ok(watch)) => watch,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(error) => return Err(error.to_string()),
    };
    let state = Arc::new(Mutex::new(watch.state()));
    let slot = state.clone();
    let task = tokio::spawn(async move {
        while let Some(now) = watch.changed().await {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = now;
            poke.notify_one();
        }
    });
    Ok(Folder { state, task })
}
