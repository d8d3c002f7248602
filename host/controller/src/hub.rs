//! The watch hub: one shared watch per kind and scope for all plugins (design section 5).
//!
//! It is our own, on kube's `watcher`: the cache holds pruned text, deletions reach every listener, and
//! listeners are called at once instead of through queues, so that a slow one stalls nobody. A listener
//! may only note which objects to reconcile.
//!
//! A watch that is silent for too long, without even a bookmark, is given up by its client
//! ([`crate::connect_watching`]) and taken up again where it was; each interruption is logged and counted.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};

use futures::{StreamExt as _, TryStreamExt as _};
use joch_core::manifest::WatchData;
use joch_core::object::{Gvk, ObjectKey};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_events};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::cached::{self, Cached};
use crate::client::api;
use crate::kinds::{Served, lock};
use crate::metrics::{Metrics, WatchLabels};
use crate::store::{Change, Store};

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

/// The hub. Watches are shared while somebody uses them, and end with their last user.
pub(crate) struct Hub {
    client: Client,
    namespaces: Vec<String>,
    metrics: Metrics,
    watches: Mutex<HashMap<Scope, Weak<Watch>>>,
}

impl Hub {
    /// `namespaces` restricts the watches of namespaced kinds; empty is all.
    pub(crate) fn new(client: Client, namespaces: Vec<String>, metrics: Metrics) -> Self {
        Self { client, namespaces, metrics, watches: Mutex::default() }
    }

    /// The objects of a kind: joins the watches that exist, starts those that do not.
    pub(crate) fn open(&self, kind: &Gvk, served: &Served, data: WatchData) -> View {
        let restricted = served.namespaced && !self.namespaces.is_empty();
        let namespaces: Vec<Option<String>> = if restricted {
            self.namespaces.iter().cloned().map(Some).collect()
        } else {
            vec![None]
        };
        let watches = namespaces
            .into_iter()
            .map(|namespace| self.join(Scope { kind: kind.clone(), namespace, data }, served))
            .collect();
        View { served: served.clone(), data, watches }
    }

    fn join(&self, scope: Scope, served: &Served) -> Arc<Watch> {
        let mut watches = lock(&self.watches);
        watches.retain(|_, watch| watch.strong_count() > 0);
        if let Some(watch) = watches.get(&scope).and_then(Weak::upgrade) {
            return watch;
        }
        let (client, metrics) = (self.client.clone(), self.metrics.clone());
        let watch = Watch::start(scope.clone(), client, served.resource.clone(), metrics);
        watches.insert(scope, Arc::downgrade(&watch));
        watch
    }
}

/// The objects of one kind, over all scopes that are watched.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) served: Served,
    pub(crate) data: WatchData,
    watches: Vec<Arc<Watch>>,
}

impl View {
    /// Waits until each watch has listed everything once.
    pub(crate) async fn synced(&self) {
        for watch in &self.watches {
            let mut synced = watch.synced.subscribe();
            // The sender lives in the watch, so this ends only by its word.
            if synced.wait_for(|synced| *synced).await.is_err() {
                return;
            }
        }
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

    /// An own write was answered with `object`, or a read found it before the watch did.
    pub(crate) fn learn(&self, key: &ObjectKey, object: Arc<Cached>) {
        if let Some(watch) = self.watch_of(key) {
            watch.change(|store| store.learn(key.clone(), object).into_iter().collect());
        }
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
    synced: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    fn start(scope: Scope, client: Client, resource: ApiResource, metrics: Metrics) -> Arc<Self> {
        let watch = Arc::new(Self {
            scope,
            store: Mutex::default(),
            listeners: Mutex::default(),
            synced: watch::Sender::new(false),
            task: Mutex::default(),
        });
        // The task holds the watch weakly, so that the last user's going ends it.
        let (held, scope) = (Arc::downgrade(&watch), watch.scope.clone());
        let task = tokio::spawn(follow(held, scope, client, resource, metrics));
        *lock(&watch.task) = Some(task);
        watch
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

    fn take_in(&self, event: Event<DynamicObject>) {
        let kind = &self.scope.kind;
        let pruned = |object: DynamicObject| {
            let key = cached::key(kind, &object.metadata);
            match Cached::new(kind, object) {
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
                self.synced.send_replace(true);
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
    }
}

/// Follows the API server for as long as the watch has users. Errors are retried with growing delays.
async fn follow(
    watch: Weak<Watch>,
    scope: Scope,
    client: Client,
    resource: ApiResource,
    metrics: Metrics,
) {
    let config = watcher::Config::default();
    let events = match scope.data {
        WatchData::Full => watch_events(
            api::<DynamicObject>(&client, &resource, scope.namespace.as_deref()),
            config,
        )
        .left_stream(),
        WatchData::Metadata => {
            let api: Api<PartialObjectMeta<DynamicObject>> =
                api(&client, &resource, scope.namespace.as_deref());
            watch_events(api, config).map_ok(whole).right_stream()
        }
    };
    let mut events = pin!(events.default_backoff());
    loop {
        let event = events.try_next().await;
        let Some(watch) = watch.upgrade() else { return };
        match event {
            Ok(Some(event)) => watch.take_in(event),
            Ok(None) => return,
            Err(error) => {
                let reason = interruption(&error);
                metrics.watch_interruptions.get_or_create(&WatchLabels { reason }).inc();
                if reason == "stalled" {
                    // Not every API server sends bookmarks of a kind that never changes: no reason to alarm.
                    info!(kind = %scope.kind, "a watch has been silent for long; it is taken up again");
                } else {
                    warn!(kind = %scope.kind, reason, %error, "watch interrupted; it is taken up again");
                }
            }
        }
    }
}

/// Why a watch was interrupted, in one word.
fn interruption(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::WatchError(status) if status.code == 410 => "expired",
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410 => {
            "expired"
        }
        watcher::Error::WatchError(_) => "refused",
        watcher::Error::InitialListFailed(kube::Error::Api(_))
        | watcher::Error::WatchStartFailed(kube::Error::Api(_)) => "refused",
        other if timed_out(other) => "stalled",
        _ => "cut",
    }
}

/// Whether the error was caused by silence.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_timeout = |error: &(dyn std::error::Error + 'static)| {
        let io = error.downcast_ref::<std::io::Error>();
        // What an io::Error carries is no source of it.
        io.is_some_and(|io| {
            io.kind() == std::io::ErrorKind::TimedOut
                || io.get_ref().is_some_and(|inner| timed_out(inner))
        })
    };
    std::iter::successors(Some(error), |error| error.source()).any(is_timeout)
}

/// An event about metadata, as one about an object that has nothing else.
fn whole(event: Event<PartialObjectMeta<DynamicObject>>) -> Event<DynamicObject> {
    let object = |partial: PartialObjectMeta<DynamicObject>| DynamicObject {
        types: None,
        metadata: partial.metadata,
        data: serde_json::Value::Object(serde_json::Map::new()),
    };
    match event {
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
        Event::InitApply(partial) => Event::InitApply(object(partial)),
        Event::Apply(partial) => Event::Apply(object(partial)),
        Event::Delete(partial) => Event::Delete(object(partial)),
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
        assert_ne!(scope(None, WatchData::Full), scope(Some("a"), WatchData::Full));
    }
}
