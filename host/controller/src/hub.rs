//! The watch hub: one shared watch per kind and scope for all plugins (design section 5).
//!
//! It is our own, on kube's `watcher`: the cache holds pruned text, deletions reach every listener, and
//! listeners are called at once instead of through queues, so that a slow one stalls nobody. A listener
//! may only note which objects to reconcile.
//!
//! How a watch goes on after an error, and when it ends: `hub/follow.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use joch_core::manifest::WatchData;
use joch_core::object::{Gvk, ObjectKey};
use kube::Client;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::cached::{self, Cached};
use crate::kinds::{Kinds, Served, lock};
use crate::metrics::Metrics;
use crate::store::{Change, Store};

mod follow;

use follow::Source;

pub(crate) use follow::interruption;

/// Who is told of changes.
pub(crate) trait Listener: Send + Sync {
    /// An object changed. Called from the watch's task: must return at once.
    fn changed(&self, change: &Change);
}

/// Which objects a watch brings, and how much of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Scope {
    kind: Gvk,
    namespace: Option<String>,
    data: WatchData,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, .. } = self;
        match namespace {
            Some(namespace) => write!(f, "{kind} in namespace {namespace}"),
            None => write!(f, "{kind}"),
        }
    }
}

/// How a watch is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// It has not listed everything yet.
    Opening,
    /// It has, and follows.
    Synced,
    /// The API server refuses it; it is tried again. What was brought before is kept.
    Denied,
    /// The API server does not serve the kind any more, or serves it otherwise. It has ended.
    Gone,
}

/// The hub. Watches are shared while somebody uses them, and end with their last user.
pub(crate) struct Hub {
    client: Client,
    kinds: Arc<Kinds>,
    namespaces: Vec<String>,
    metrics: Metrics,
    watches: Mutex<HashMap<Scope, Weak<Watch>>>,
}

impl Hub {
    /// `namespaces` restricts the watches of namespaced kinds; empty is all.
    pub(crate) fn new(
        client: Client,
        kinds: Arc<Kinds>,
        namespaces: Vec<String>,
        metrics: Metrics,
    ) -> Self {
        Self { client, kinds, namespaces, metrics, watches: Mutex::default() }
    }

    /// The client that watches are made with: it gives up those that are silent for too long.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The objects of a kind: joins the watches that exist, starts those that do not.
    pub(crate) fn open(&self, kind: &Gvk, served: &Served, data: &WatchData) -> View {
        let restricted = served.namespaced && !self.namespaces.is_empty();
        let namespaces: Vec<Option<String>> = if restricted {
            self.namespaces.iter().cloned().map(Some).collect()
        } else {
            vec![None]
        };
        let watches = namespaces
            .into_iter()
            .map(|namespace| {
                self.join(Scope { kind: kind.clone(), namespace, data: data.clone() }, served)
            })
            .collect();
        View { served: served.clone(), data: data.clone(), watches }
    }

    fn join(&self, scope: Scope, served: &Served) -> Arc<Watch> {
        let mut watches = lock(&self.watches);
        watches.retain(|_, watch| watch.strong_count() > 0);
        let joined = watches.get(&scope).and_then(Weak::upgrade);
        // One whose kind is gone brings nothing any more; those who have it are about to leave it.
        if let Some(watch) = joined.filter(|watch| watch.health() != Health::Gone) {
            return watch;
        }
        let source = Source {
            client: self.client.clone(),
            kinds: self.kinds.clone(),
            served: served.clone(),
            metrics: self.metrics.clone(),
        };
        let watch = Watch::start(scope.clone(), source);
        watches.insert(scope, Arc::downgrade(&watch));
        watch
    }
}

/// The objects of one kind, over all scopes that are watched.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) served: Served,
    data: WatchData,
    watches: Vec<Arc<Watch>>,
}

impl View {
    /// Waits until each watch has listed everything once; false if the kind is gone instead.
    pub(crate) async fn synced(&self) -> bool {
        for watch in &self.watches {
            let mut health = watch.health.subscribe();
            let known = |health: &Health| [Health::Synced, Health::Gone].contains(health);
            // The sender lives in the watch, so this ends only by its word.
            match health.wait_for(known).await {
                Ok(health) if *health == Health::Synced => {}
                _ => return false,
            }
        }
        true
    }

    /// Whether the API server does not serve the kind any more, or serves it otherwise: this view stays as
    /// it is.
    pub(crate) fn is_gone(&self) -> bool {
        self.watches.iter().any(|watch| watch.health() == Health::Gone)
    }

    /// Waits until [`View::is_gone`].
    pub(crate) async fn gone(&self) {
        let gone = async |watch: &Arc<Watch>| {
            let mut health = watch.health.subscribe();
            drop(health.wait_for(|health| *health == Health::Gone).await);
        };
        let mut any: FuturesUnordered<_> = self.watches.iter().map(gone).collect();
        if any.next().await.is_none() {
            std::future::pending().await
        }
    }

    /// What the API server does not permit the host to watch at present, for people.
    pub(crate) fn denied(&self) -> Option<String> {
        let denied = |watch: &&Arc<Watch>| watch.health() == Health::Denied;
        self.watches.iter().find(denied).map(|watch| watch.scope.to_string())
    }

    /// Tells `listener` of every object that is held and of every change from now on.
    pub(crate) fn subscribe(&self, listener: &Arc<dyn Listener>) {
        for watch in &self.watches {
            lock(&watch.listeners).push(Arc::downgrade(listener));
            let held: Vec<Change> = lock(&watch.store)
                .all()
                .map(|(key, object)| Change {
                    key: key.clone(),
                    old: None,
                    new: Some(object.clone()),
                    initial: true,
                })
                .collect();
            held.iter().for_each(|change| listener.changed(change));
        }
    }

    /// One object, if it is held.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<Cached>> {
        self.watch_of(key)?.get(key)
    }

    /// An own write was answered with `whole`, or a read found it before the watch did; what is kept of it.
    pub(crate) fn learn(
        &self,
        key: &ObjectKey,
        whole: &Arc<Cached>,
    ) -> Result<Arc<Cached>, serde_json::Error> {
        let kept = whole.cut(&key.kind, &self.data)?;
        if let Some(watch) = self.watch_of(key) {
            watch.change(|store| store.learn(key.clone(), kept.clone()).into_iter().collect());
        }
        Ok(kept)
    }

    /// An own deletion was answered: that object is gone, unless another one bears its name by now.
    pub(crate) fn forget(&self, key: &ObjectKey, gone: &Cached) {
        if let Some(watch) = self.watch_of(key) {
            watch.change(|store| match store.get(key).cloned() {
                Some(held) if held.uid == gone.uid => {
                    store.delete(key.clone(), &held).into_iter().collect()
                }
                _ => Vec::new(),
            });
        }
    }

    /// The objects that `wanted` accepts, ordered by namespace and name. With `owner`, only those that
    /// name it are looked at.
    pub(crate) fn select(
        &self,
        owner: Option<&str>,
        wanted: impl Fn(&ObjectKey, &Cached) -> bool,
    ) -> Vec<Arc<Cached>> {
        let mut found: Vec<(ObjectKey, Arc<Cached>)> = Vec::new();
        for watch in &self.watches {
            let store = lock(&watch.store);
            let mut take = |(key, object): (&ObjectKey, &Arc<Cached>)| {
                if wanted(key, object) {
                    found.push((key.clone(), object.clone()));
                }
            };
            match owner {
                Some(uid) => store.owned_by(uid).for_each(&mut take),
                None => store.all().for_each(&mut take),
            }
        }
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        found.into_iter().map(|(_, object)| object).collect()
    }

    /// Every key that is held.
    pub(crate) fn keys(&self) -> Vec<ObjectKey> {
        let keys = |watch: &Arc<Watch>| {
            lock(&watch.store).all().map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        self.watches.iter().flat_map(keys).collect()
    }

    /// How many objects are held.
    pub(crate) fn len(&self) -> usize {
        self.watches.iter().map(|watch| lock(&watch.store).len()).sum()
    }

    fn watch_of(&self, key: &ObjectKey) -> Option<&Arc<Watch>> {
        self.watches
            .iter()
            .find(|watch| watch.scope.namespace.is_none() || watch.scope.namespace == key.namespace)
    }
}

/// One watch and its cache.
struct Watch {
    scope: Scope,
    store: Mutex<Store>,
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    health: watch::Sender<Health>,
    metrics: Metrics,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    fn start(scope: Scope, source: Source) -> Arc<Self> {
        let watch = Arc::new(Self {
            scope,
            store: Mutex::default(),
            listeners: Mutex::default(),
            health: watch::Sender::new(Health::Opening),
            metrics: source.metrics.clone(),
            task: Mutex::default(),
        });
        // The task holds the watch weakly, so that the last user's going ends it.
        let task = tokio::spawn(follow::follow(Arc::downgrade(&watch), source));
        *lock(&watch.task) = Some(task);
        watch
    }

    fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// Whether that is news.
    fn set_health(&self, now: Health) -> bool {
        let before = self.health.send_replace(now);
        match (before == Health::Denied, now == Health::Denied) {
            (false, true) => _ = self.metrics.watches_denied.inc(),
            (true, false) => _ = self.metrics.watches_denied.dec(),
            _ => {}
        }
        before != now
    }

    fn get(&self, key: &ObjectKey) -> Option<Arc<Cached>> {
        lock(&self.store).get(key).cloned()
    }

    /// Changes the cache, then tells the listeners, in that order: whoever is told can read it.
    fn change(&self, change: impl FnOnce(&mut Store) -> Vec<Change>) {
        let changes = change(&mut lock(&self.store));
        if changes.is_empty() {
            return;
        }
        let listeners: Vec<_> = {
            let mut listeners = lock(&self.listeners);
            listeners.retain(|listener| listener.strong_count() > 0);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners {
            changes.iter().for_each(|change| listener.changed(change));
        }
    }

    /// Takes an event into the cache.
    fn take_in(&self, event: Event<DynamicObject>) {
        let kind = &self.scope.kind;
        let pruned = |object: DynamicObject| {
            let key = cached::key(kind, &object.metadata);
            match Cached::new(kind, object, &self.scope.data) {
                Ok(object) => Some((key, object)),
                Err(error) => {
                    warn!(%key, %error, "an object cannot be cached; it is passed over");
                    None
                }
            }
        };
        match event {
            Event::Init => lock(&self.store).list_begins(),
            Event::InitApply(object) | Event::Apply(object) => {
                if let Some((key, object)) = pruned(object) {
                    self.change(|store| store.learn(key, object).into_iter().collect());
                }
            }
            Event::Delete(object) => {
                if let Some((key, last)) = pruned(object) {
                    self.change(|store| store.delete(key, &last).into_iter().collect());
                }
            }
            Event::InitDone => {
                self.change(Store::list_ends);
                debug!(kind = %kind, "watch is in sync");
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
        // Nobody counts on it any more.
        self.set_health(Health::Gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_that_differ_in_anything_are_watched_apart() {
        let scope = |namespace: Option<&str>, data| Scope {
            kind: "v1/ConfigMap".parse().unwrap(),
            namespace: namespace.map(str::to_owned),
            data,
        };
        assert_eq!(scope(None, WatchData::Full), scope(None, WatchData::Full));
        assert_ne!(scope(None, WatchData::Full), scope(None, WatchData::Metadata));
        let status = WatchData::Metadata.and_field("/status");
        assert_ne!(scope(None, WatchData::Full), scope(None, status.clone()));
        assert_ne!(scope(None, WatchData::Metadata.and_field("/spec")), scope(None, status));
        assert_ne!(scope(None, WatchData::Full), scope(Some("a"), WatchData::Full));
    }
}
