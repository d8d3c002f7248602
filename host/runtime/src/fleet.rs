//! Which plugins there are: those of the folder and those of Plugin objects, each with a keeper.
//!
//! Level-based: every change leads to the same question, "what is wanted now?", so that renames, swaps,
//! half-written files and edits of objects need no cases of their own. On a clash of names the object
//! beats the folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use joch_artifact::{FolderOptions, FolderState, FolderWatch};
use joch_controller::{PluginObject, PluginObjects};
use joch_core::finalizer;
use joch_core::grants_file::GrantsFile;
use joch_core::lease::Tenure;
use joch_core::name::PluginName;
use joch_core::port::KubeError;
use joch_crds::joch::{DeletionPolicy, PluginSource};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::board::FileState;
use crate::folder;
use crate::keeper::{Ending, Farewell, Keeper, Order, Shared};
use crate::record;
use crate::selection::Selection;
use crate::sources::Sources;
use crate::wanted::{self, Artifact, Origin, Wanted};

/// How long the first look waits for the Plugin objects, which beat the folder.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often everything is looked at though nothing was heard.
const LOOK: Duration = Duration::from_secs(10);

/// All plugins of the host.
pub(crate) struct Fleet {
    shared: Arc<Shared>,
    selection: Selection,
    grants: GrantsFile,
    /// None if the host is told to leave Plugin objects alone.
    objects: Option<Arc<PluginObjects>>,
    sources: Sources,
    keepers: HashMap<PluginName, Handle>,
    /// What was said of a Plugin object's trouble, so that it is said once.
    told: HashMap<String, String>,
}

/// A keeper at work.
struct Handle {
    /// Its order, and that order's number.
    orders: watch::Sender<(u64, Order)>,
    /// Which order was obeyed last.
    done: watch::Receiver<u64>,
}

impl Fleet {
    pub(crate) fn new(
        shared: Arc<Shared>,
        selection: Selection,
        grants: GrantsFile,
        objects: Option<Arc<PluginObjects>>,
        poke: Arc<Notify>,
    ) -> Self {
        let sources = Sources::new(shared.loader.registry.clone(), poke);
        let (keepers, told) = (HashMap::new(), HashMap::new());
        Self { shared, selection, grants, objects, sources, keepers, told }
    }

    /// Follows folder and objects until `stop`; `ready` is called when every plugin was tried once.
    ///
    /// # Errors
    /// The folder cannot be watched.
    pub(crate) async fn run(
        mut self,
        folder: Option<PathBuf>,
        poke: Arc<Notify>,
        ready: impl FnOnce() + Send + 'static,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut folder = match folder {
            Some(path) => Some(watch_folder(path).await?),
            None => None,
        };
        if let Some(objects) = &self.objects {
            objects.known(PATIENCE).await;
        }
        self.shared.leases.known(PATIENCE).await;
        let mut ready = Some(ready);
        loop {
            let state = folder.as_ref().map(FolderWatch::state).unwrap_or_default();
            self.look(&state).await;
            if let Some(ready) = ready.take() {
                tokio::spawn(all_tried(self.tried(), ready));
            }
            let folder_changed = async {
                match &mut folder {
                    Some(folder) => folder.changed().await.is_some(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                alive = folder_changed => {
                    anyhow::ensure!(alive, "the watch of the plugin folder ended");
                }
                () = poke.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Compares what is wanted with what is kept.
    async fn look(&mut self, folder: &FolderState) {
        if let Some(problem) = &folder.problem {
            warn!(problem, "the plugin folder cannot be read; what is live stays so");
        }
        let objects = self.objects.as_ref().map(|it| it.all()).unwrap_or_default();
        let objects: BTreeMap<PluginName, PluginObject> =
            objects.into_iter().filter_map(|it| Some((it.name.parse().ok()?, it))).collect();
        let own = |name: &PluginName| objects.get(name).is_some_and(|it| !it.is_mirror());

        let files = folder::assign(folder, &self.shared.board, own);
        for (path, state) in self.shared.board.set_files(files.states) {
            if let FileState::Unused { digest, reason, .. } = state {
                let digest = digest.map(|digest| digest.short());
                error!(file = %path.display(), digest, kept = "none", reason, "plugin is refused");
            }
        }

        let mut orders: BTreeMap<PluginName, Option<Order>> = BTreeMap::new();
        let mut used: Vec<PluginSource> = Vec::new();
        for (name, object) in objects.iter().filter(|(_, object)| !object.is_mirror()) {
            if let Ok(spec) = &object.spec {
                used.push(spec.source.clone());
            }
            let found = self.found(object).await;
            let manifest = found.as_ref().and_then(|it| Some(&*it.as_ref().ok()?.manifest));
            if !self.selection.includes(name, manifest) {
                continue;
            }
            self.hold(name, object).await;
            orders.insert(name.clone(), self.order_for(name, object, found));
        }
        for (name, file) in files.plugins {
            let manifest = file.artifact.as_ref().ok().map(|artifact| &*artifact.manifest);
            if !self.selection.includes(&name, manifest) {
                continue;
            }
            let mirror = objects.get(&name);
            if let Some(mirror) = mirror {
                self.hold(&name, mirror).await;
            }
            let wanted = Wanted {
                origin: Origin::Folder(file.path.clone()),
                artifact: file.artifact,
                pin: None,
                grants: Ok(self.grants.entry(name.as_str())),
                limits: None,
                config: file.config,
                mode: mirror
                    .and_then(|it| it.spec.as_ref().ok())
                    .map(|it| it.mode)
                    .unwrap_or_default(),
                known: mirror.map(|it| Box::new(it.status.clone())),
                tenure: self.tenure(&name),
            };
            self.mirror(&name, &file.path, mirror).await;
            orders.insert(name, Some(Order::Run(Arc::new(wanted))));
        }
        for (name, object) in &objects {
            let ours = self.selection.includes(name, None) && !self.selection.is_by_group();
            // Another replica may have the file that this one has not, or has not any more.
            let elsewhere = self.shared.leases.is_wanted_elsewhere(name);
            if orders.contains_key(name) || !object.is_mirror() || !ours || elsewhere {
                continue;
            }
            let object_of = Some(Farewell::Delete(Box::new(object.clone())));
            let finalizers = record::finalizers(&object.status);
            let ending = Ending { release: releases(object), object: object_of, finalizers };
            orders.insert(name.clone(), Some(Order::End(ending)));
        }
        for name in self.keepers.keys() {
            let finalizers = BTreeSet::new();
            let gone = Order::End(Ending { release: false, object: None, finalizers });
            orders.entry(name.clone()).or_insert(Some(gone));
        }
        self.sources.keep_only(&used);
        self.share(&mut orders);
        // Those that go make room for those that come.
        let (ends, runs): (Vec<_>, Vec<_>) = orders
            .into_iter()
            .filter_map(|(name, order)| Some((name, order?)))
            .partition(|(_, order)| matches!(order, Order::End(_)));
        for (name, order) in ends.into_iter().chain(runs) {
            if let Some(object) = objects.get(&name) {
                self.shared.writer.know(name.as_str(), &object.uid);
            }
            self.give(name, order);
        }
        self.drop_idle();
    }

    /// Tells the other replicas what this one could run, and leaves to them what is theirs.
    fn share(&self, orders: &mut BTreeMap<PluginName, Option<Order>>) {
        let leases = &self.shared.leases;
        let needs_seat = |order: &Order| match order {
            Order::Run(_) | Order::StandBy { .. } => true,
            Order::End(ending) => ending.object.is_some(),
        };
        let wanted = orders.iter().filter(|(_, order)| order.as_ref().is_none_or(needs_seat));
        leases.want(wanted.map(|(name, _)| name.clone()).collect());
        for (name, order) in orders {
            let Some(order) = order.as_mut().filter(|order| needs_seat(order)) else { continue };
            if self.is_ours(name) {
                continue;
            }
            let wanted = match order {
                Order::Run(wanted) => Some(wanted.clone()),
                _ => None,
            };
            *order = Order::StandBy { holder: leases.holder(name), wanted };
        }
    }

    /// Whether the plugin is this replica's, and stays so.
    fn is_ours(&self, name: &PluginName) -> bool {
        self.shared.leases.held(name).is_some_and(|held| !held.asked_back)
    }

    fn tenure(&self, name: &PluginName) -> Tenure {
        self.shared.leases.held(name).map_or_else(Tenure::closed, |held| held.tenure)
    }

    /// The version of a Plugin object's source; nothing while that is not known.
    async fn found(&mut self, object: &PluginObject) -> Option<Result<Artifact, String>> {
        let source = object.spec.as_ref().ok()?.source.clone();
        self.sources.look(&source).await
    }

    /// What to do about a Plugin object; nothing while its source is not known yet.
    fn order_for(
        &self,
        name: &PluginName,
        object: &PluginObject,
        found: Option<Result<Artifact, String>>,
    ) -> Option<Order> {
        if object.deleting {
            let release = releases(object);
            let farewell = object.held.then(|| Farewell::LetGo(Box::new(object.clone())));
            let mut finalizers = record::finalizers(&object.status);
            // Those of a version whose status could not be written are known by its source, if it is there.
            if let Some(Ok(artifact)) = found {
                finalizers.extend(finalizer::kept(&artifact.manifest));
            }
            return Some(Order::End(Ending { release, object: farewell, finalizers }));
        }
        let spec = match &object.spec {
            Ok(spec) => spec.clone(),
            Err(error) => {
                let wanted = unreadable(object, error, self.tenure(name));
                return Some(Order::Run(Arc::new(wanted)));
            }
        };
        let artifact = found?;
        let config = serde_json::to_string(&spec.config).unwrap_or_else(|_| "{}".to_owned());
        Some(Order::Run(Arc::new(Wanted {
            origin: Origin::Object(format!("Plugin {} ({})", object.name, place(&spec.source))),
            artifact,
            pin: spec.digest,
            grants: wanted::entry(spec.grants.as_ref()),
            limits: spec.limits,
            config: config.into(),
            mode: spec.mode,
            known: Some(Box::new(object.status.clone())),
            tenure: self.tenure(name),
        })))
    }

    /// Keeps the host's finalizer on an object whose deletion has to wait for the host.
    async fn hold(&mut self, name: &PluginName, object: &PluginObject) {
        let wanted = releases(object);
        if !self.is_ours(name) || object.deleting || object.held == wanted {
            return;
        }
        let result = self.shared.writer.hold(object, wanted).await;
        self.tell(&object.name, "its finalizer cannot be changed", result);
    }

    /// Shows a plugin of the folder as a Plugin object.
    async fn mirror(
        &mut self,
        name: &PluginName,
        path: &std::path::Path,
        mirror: Option<&PluginObject>,
    ) {
        let served = self.objects.as_ref().is_some_and(|it| it.served());
        if !served || mirror.is_some() || !self.is_ours(name) {
            return;
        }
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned());
        let result =
            self.shared.writer.create_mirror(name.as_str(), &file.unwrap_or_default()).await;
        let result = match result {
            // The watch has not brought it yet.
            Err(KubeError::AlreadyExists(_)) => Ok(()),
            other => other,
        };
        self.tell(name.as_str(), "it cannot be shown as a Plugin object", result);
    }

    /// Says what is wrong with an object, once.
    fn tell(&mut self, name: &str, what: &str, result: Result<(), KubeError>) {
        match result {
            Ok(()) => drop(self.told.remove(name)),
            Err(error) => {
                let text = format!("{what}: {error}");
                if self.told.get(name) != Some(&text) {
                    warn!(plugin = name, "{text}");
                    self.told.insert(name.to_owned(), text);
                }
            }
        }
    }

    fn give(&mut self, name: PluginName, order: Order) {
        if let Some(handle) = self.keepers.get(&name) {
            handle.orders.send_modify(|(number, old)| (*number, *old) = (*number + 1, order));
            return;
        }
        let (orders, receiver) = watch::channel((1, order));
        let (counter, done) = watch::channel(0);
        let keeper = Keeper::new(name.clone(), self.shared.clone());
        tokio::spawn(keeper.run(receiver, counter));
        self.keepers.insert(name, Handle { orders, done });
    }

    /// Ends keepers whose plugin is out. One that still has an order to obey would do so beside the next
    /// keeper of that name.
    fn drop_idle(&mut self) {
        let board = &self.shared.board;
        self.keepers.retain(|name, handle| {
            let (number, order) = &*handle.orders.borrow();
            let ended = matches!(order, Order::End(_)) && *handle.done.borrow() == *number;
            !ended || board.is_known(name)
        });
    }

    fn tried(&self) -> Vec<watch::Receiver<u64>> {
        self.keepers.values().map(|handle| handle.done.clone()).collect()
    }
}

async fn all_tried(tried: Vec<watch::Receiver<u64>>, ready: impl FnOnce()) {
    for mut done in tried {
        // A keeper that is gone has nothing left to try.
        done.wait_for(|count| *count > 0).await.ok();
    }
    ready();
}

async fn watch_folder(path: PathBuf) -> anyhow::Result<FolderWatch> {
    let started =
        tokio::task::spawn_blocking(move || FolderWatch::start(&path, FolderOptions::default()));
    let watch = started.await.context("the folder's first look was interrupted")??;
    if watch.state().entries.is_empty() {
        warn!("the plugin folder holds no *.wasm file yet");
    }
    Ok(watch)
}

fn releases(object: &PluginObject) -> bool {
    object.spec.as_ref().is_ok_and(|it| it.deletion_policy == DeletionPolicy::ReleaseFinalizers)
}

fn unreadable(object: &PluginObject, error: &str, tenure: Tenure) -> Wanted {
    Wanted {
        origin: Origin::Object(format!("Plugin {}", object.name)),
        artifact: Err(format!("spec cannot be read: {error}")),
        pin: None,
        grants: Ok(joch_core::authority::Entry::default()),
        limits: None,
        config: "{}".into(),
        mode: joch_crds::joch::PluginMode::Active,
        known: Some(Box::new(object.status.clone())),
        tenure,
    }
}

fn place(source: &PluginSource) -> String {
    match (&source.path, &source.config_map) {
        (Some(path), _) => path.clone(),
        (_, Some(map)) => format!("ConfigMap {}/{}, {}", map.namespace, map.name, map.key),
        _ => "no source".to_owned(),
    }
}
