//! The plugins that are live: which version of each, and the controllers that run it.
//!
//! # Guarantees
//! - A kind has one controller: a second plugin that claims it is refused. A plugin in shadow mode
//!   claims nothing.
//! - A new version replaces the old one between two turns of each key (G3): calls under way finish on
//!   the old version, the next start on the new one, and everything is reconciled once more.
//! - A controller that is removed, or whose kinds or watches change, is drained first, so that no key
//!   runs twice at once (G1).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use joch_core::authority::Authority;
use joch_core::manifest::{ControllerSpec, Manifest};
use joch_core::name::{Digest, PluginName};
use joch_core::object::Gvk;
use joch_core::port::Invoke;
use joch_crds::joch::ConfigMapSource;
use kube::Client;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::kinds::{Kinds, lock};
use crate::lease::Leases;
use crate::metrics::{Metrics, PluginLabels};
use crate::plugins::{Feed, PluginObjects, PluginWriter};
use crate::rates::Rates;
use crate::session::Notes;
use crate::shadow::ShadowLog;
use crate::trial::Trial;

mod life;

use life::Life;

/// One version of a plugin, ready to be called.
pub struct Version {
    /// The digest of the file it came from.
    pub digest: Digest,
    /// What it says about itself.
    pub manifest: Manifest,
    /// What it may do.
    pub authority: Authority,
    /// Its code.
    pub code: Arc<dyn Invoke>,
    /// Its probation.
    pub trial: Trial,
    /// In shadow mode: where its writes go instead.
    pub shadow: Option<Arc<ShadowLog>>,
}

impl Version {
    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.manifest.plugin.name.as_str()
    }

    /// What it says about one of its controllers.
    #[must_use]
    pub fn controller(&self, name: &str) -> Option<&ControllerSpec> {
        self.manifest.controllers.iter().find(|controller| controller.name.as_str() == name)
    }
}

/// Why a version is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Another plugin reconciles the kind already.
    #[error("{kind} is already reconciled by plugin {:?}; remove that one first", .by.as_str())]
    Claimed {
        /// The kind.
        kind: Gvk,
        /// The plugin that has it.
        by: PluginName,
    },
    /// The host is going down.
    #[error("the host is shutting down")]
    ShuttingDown,
}

/// What a controller is doing, for people and for `/debug/plugins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerView {
    /// The plugin's name.
    pub plugin: String,
    /// The controller's name.
    pub controller: String,
    /// The kind that it reconciles.
    pub primary: String,
    /// The digest of the live version.
    pub digest: String,
    /// The plugin's own version.
    pub version: String,
    /// `Running`, `Resting` after it broke on several objects, `Denied` with what the host may not watch
    /// at present, or `WaitingFor` with the kind that is not served.
    pub state: String,
    /// Optional kinds that the API server does not serve at present.
    pub without: Vec<String>,
    /// Objects that wait for a turn.
    pub waiting: usize,
    /// Turns under way.
    pub running: usize,
    /// Objects that it reconciles.
    pub objects: usize,
    /// Turns so far.
    pub turns: u64,
    /// Objects that break it again and again, each of which is tried again after growing delays.
    pub parked: usize,
    /// Some of them.
    pub parked_objects: Vec<String>,
}

/// What all controllers share.
pub(crate) struct Shared {
    pub(crate) leases: Arc<Leases>,
    pub(crate) hub: Hub,
    pub(crate) kinds: Arc<Kinds>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) metrics: Metrics,
}

struct Plugin {
    version: Arc<ArcSwap<Version>>,
    rates: Arc<Rates>,
    lives: Vec<Life>,
}

/// The live plugins.
pub struct Registry {
    shared: Arc<Shared>,
    plugins: Mutex<BTreeMap<PluginName, Plugin>>,
    /// Held while plugins change, so that changes happen one after the other.
    changes: tokio::sync::Mutex<()>,
    stop: CancellationToken,
}

impl Registry {
    /// An empty registry. `leases` are the plugins that this replica may write for; `watching`
    /// is the client that watches are made with; `namespaces` restricts which
    /// namespaces are watched; empty is all.
    #[must_use]
    pub fn new(
        client: Client,
        watching: Client,
        leases: Arc<Leases>,
        namespaces: Vec<String>,
        metrics: Metrics,
    ) -> Self {
        let kinds = Arc::new(Kinds::new(client.clone()));
        let shared = Shared {
            hub: Hub::new(watching, kinds.clone(), namespaces, metrics.clone()),
            kinds,
            notes: Arc::new(Notes::new(client, metrics.clone())),
            leases,
            metrics,
        };
        Self {
            shared: Arc::new(shared),
            plugins: Mutex::default(),
            changes: tokio::sync::Mutex::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Follows the Plugin objects; `poke` is notified of every change.
    #[must_use]
    pub fn plugin_objects(&self, poke: Arc<Notify>) -> PluginObjects {
        PluginObjects::follow(self.shared.clone(), poke)
    }

    /// Writes Plugin objects.
    #[must_use]
    pub fn plugin_writer(&self) -> PluginWriter {
        PluginWriter::new(self.shared.clone())
    }

    /// Follows a component in a ConfigMap; `poke` is notified of every change.
    #[must_use]
    pub fn feed(&self, source: ConfigMapSource, poke: Arc<Notify>) -> Feed {
        Feed::start(self.shared.hub.client(), self.shared.metrics.clone(), source, poke)
    }

    /// Counts a roll-back of a plugin.
    pub fn count_rollback(&self, plugin: &PluginName) {
        let label = PluginLabels { plugin: plugin.to_string() };
        self.shared.metrics.rollbacks.get_or_create(&label).inc();
    }

    /// Makes a version live: starts its plugin, or replaces the version before. Returns when every turn
    /// from now on is given the new version.
    ///
    /// # Errors
    /// [`RegistryError::Claimed`] if another plugin reconciles one of its kinds; nothing has changed then.
    pub async fn install(&self, version: Arc<Version>) -> Result<(), RegistryError> {
        let _changing = self.changes.lock().await;
        if self.stop.is_cancelled() {
            return Err(RegistryError::ShuttingDown);
        }
        if version.shadow.is_none() {
            self.check_claims(&version.manifest)?;
        }
        let name = version.manifest.plugin.name.clone();
        let specs = version.manifest.controllers.clone();
        let api_per_second = version.manifest.limits.api_per_second;

        let outdated =
            self.take_lives(&name, |life| !specs.iter().any(|spec| spec.same_shape(life.spec())));
        futures::future::join_all(outdated.into_iter().map(Life::end)).await;

        let mut plugins = lock(&self.plugins);
        let plugin = plugins.entry(name.clone()).or_insert_with(|| Plugin {
            version: Arc::new(ArcSwap::new(version.clone())),
            rates: Arc::new(Rates::new(api_per_second)),
            lives: Vec::new(),
        });
        self.shared.metrics.guests.declare(name.as_str(), &version.manifest.metrics);
        plugin.rates.allow(api_per_second);
        plugin.version.store(version);
        plugin.lives.iter().for_each(Life::sweep);
        for spec in specs {
            if !plugin.lives.iter().any(|life| life.spec().same_shape(&spec)) {
                let (shared, slot) = (self.shared.clone(), plugin.version.clone());
                let (rates, stop) = (plugin.rates.clone(), self.stop.child_token());
                let client = self.shared.leases.client(&name);
                plugin.lives.push(Life::start(shared, client, spec, slot, rates, stop));
            }
        }
        let label = PluginLabels { plugin: name.to_string() };
        self.shared.metrics.swaps.get_or_create(&label).inc();
        Ok(())
    }

    /// Drains a plugin and forgets it; its objects stay. Nothing happens if it is not live.
    pub async fn remove(&self, name: &PluginName) {
        let _changing = self.changes.lock().await;
        let lives = self.take_lives(name, |_| true);
        lock(&self.plugins).remove(name);
        futures::future::join_all(lives.into_iter().map(Life::end)).await;
        self.shared.metrics.guests.forget(name.as_str());
    }

    /// Drains everything: turns under way are finished, none is begun.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        let _changing = self.changes.lock().await;
        let plugins = std::mem::take(&mut *lock(&self.plugins));
        let lives = plugins.into_values().flat_map(|plugin| plugin.lives);
        futures::future::join_all(lives.map(Life::end)).await;
    }

    /// Whether every controller runs, or waits for a kind that the API server does not serve.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        lock(&self.plugins).values().flat_map(|plugin| &plugin.lives).all(Life::is_settled)
    }

    /// What every controller is doing.
    #[must_use]
    pub fn views(&self) -> Vec<ControllerView> {
        let plugins = lock(&self.plugins);
        let views = plugins.values().flat_map(|plugin| {
            let version = plugin.version.load_full();
            plugin.lives.iter().map(move |life| life.view(&version))
        });
        views.collect()
    }

    fn take_lives(&self, name: &PluginName, wanted: impl Fn(&Life) -> bool) -> Vec<Life> {
        let mut plugins = lock(&self.plugins);
        let Some(plugin) = plugins.get_mut(name) else { return Vec::new() };
        let (taken, kept) = std::mem::take(&mut plugin.lives).into_iter().partition(wanted);
        plugin.lives = kept;
        taken
    }

    fn check_claims(&self, manifest: &Manifest) -> Result<(), RegistryError> {
        let plugins = lock(&self.plugins);
        for (by, plugin) in plugins.iter().filter(|(name, _)| **name != manifest.plugin.name) {
            let version = plugin.version.load();
            if version.shadow.is_some() {
                continue;
            }
            let has = |kind: &Gvk| version.manifest.reconciles().any(|taken| taken == kind);
            if let Some(kind) = manifest.reconciles().find(|kind| has(kind)) {
                return Err(RegistryError::Claimed { kind: kind.clone(), by: by.clone() });
            }
        }
        Ok(())
    }
}
