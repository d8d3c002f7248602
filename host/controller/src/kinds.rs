//! Which resource serves a kind: asked of the API server, remembered while that works.
//!
//! # Guarantees
//! - An answer holds until a watch or a call finds that the resource is gone ([`Kinds::forget`]).
//! - However many wait for a kind that is not served, it is asked for twice a second at most.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use joch_core::object::Gvk;
use kube::Client;
use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, oneshot};

/// How long it holds that a kind is not served.
const NOT_SERVED: Duration = Duration::from_millis(500);
/// How many kinds that are not served are remembered.
const MISSING: usize = 1000;

/// A kind that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
}

/// How the API server names the resource of a kind, for rules of RBAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The resource's name in the plural.
    pub plural: String,
    /// Whether its objects are in namespaces, if that is known.
    pub namespaced: Option<bool>,
    /// Whether the name is a guess.
    pub guessed: bool,
}

/// The resources of these kinds: as the API server says if there is a client, and guessed from the kind's
/// name if there is none, or if the kind is not served.
///
/// # Errors
/// The API server cannot be asked.
pub async fn resources(
    client: Option<&Client>,
    kinds: &BTreeSet<Gvk>,
) -> Result<BTreeMap<Gvk, Resource>, kube::Error> {
    let known = client.map(|client| Kinds::new(client.clone()));
    let mut resources = BTreeMap::new();
    for kind in kinds {
        let served = match &known {
            Some(known) => known.find(kind).await?,
            None => None,
        };
        let resource = served.map_or_else(
            || guess(kind),
            |Served { resource, namespaced }| Resource {
                plural: resource.plural,
                namespaced: Some(namespaced),
                guessed: false,
            },
        );
        resources.insert(kind.clone(), resource);
    }
    Ok(resources)
}

fn guess(kind: &Gvk) -> Resource {
    let gvk = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
    let cluster_scoped = match &*kind.group {
        "" => ["Namespace", "Node", "PersistentVolume"].contains(&&*kind.kind),
        "rbac.authorization.k8s.io" => kind.kind.starts_with("Cluster"),
        "storage.k8s.io" => &*kind.kind != "CSIStorageCapacity",
        "joch.dev" => &*kind.kind == "Plugin",
        group => [
            "admissionregistration.k8s.io",
            "apiextensions.k8s.io",
            "apiregistration.k8s.io",
            "certificates.k8s.io",
            "flowcontrol.apiserver.k8s.io",
            "node.k8s.io",
            "scheduling.k8s.io",
        ]
        .contains(&group),
    };
    Resource {
        plural: ApiResource::from_gvk(&gvk).plural,
        namespaced: cluster_scoped.then_some(false),
        guessed: true,
    }
}

/// The kinds that were looked up so far.
pub(crate) struct Kinds {
    client: Client,
    known: Mutex<HashMap<Gvk, Served>>,
    /// When a kind was found not to be served.
    missing: Mutex<HashMap<Gvk, Instant>>,
}

impl Kinds {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default(), missing: Mutex::default() }
    }

    /// The resource that serves `kind`; none if there is none (yet).
    pub(crate) async fn find(&self, kind: &Gvk) -> Result<Option<Served>, kube::Error> {
        if let Some(served) = lock(&self.known).get(kind) {
            return Ok(Some(served.clone()));
        }
        if lock(&self.missing).get(kind).is_some_and(|since| since.elapsed() < NOT_SERVED) {
            return Ok(None);
        }
        self.look_up(kind).await
    }

    /// The same, asked anew.
    pub(crate) async fn look_up(&self, kind: &Gvk) -> Result<Option<Served>, kube::Error> {
        let wanted = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let (resource, capabilities) = match oneshot::pinned_kind(&self.client, &wanted).await {
            Ok(found) => found,
            Err(kube::Error::Discovery(_)) => return Ok(self.not_served(kind)),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Ok(self.not_served(kind));
            }
            Err(error) => return Err(error),
        };
        let served = Served { resource, namespaced: capabilities.scope == Scope::Namespaced };
        lock(&self.missing).remove(kind);
        lock(&self.known).insert(kind.clone(), served.clone());
        Ok(Some(served))
    }

    /// What was known of `kind` has turned out not to be so: the next who needs it asks.
    pub(crate) fn forget(&self, kind: &Gvk) {
        lock(&self.known).remove(kind);
    }

    fn not_served(&self, kind: &Gvk) -> Option<Served> {
        self.forget(kind);
        let mut missing = lock(&self.missing);
        missing.retain(|_, since| since.elapsed() < NOT_SERVED);
        if missing.len() < MISSING {
            missing.insert(kind.clone(), Instant::now());
        }
        None
    }
}

/// Locks a mutex whose holders never panic; should one have done so, its data are still whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_kinds_that_are_not_served_are_remembered_and_no_more() {
        let service = tower::service_fn(async |_: http::Request<kube::client::Body>| {
            Ok::<_, tower::BoxError>(http::Response::new(kube::client::Body::empty()))
        });
        let kinds = Kinds::new(Client::new(service, "here"));
        for number in 0..MISSING + 10 {
            let kind = format!("v1/Kind{number}").parse().unwrap();
            assert_eq!(kinds.not_served(&kind), None);
        }
        assert!(lock(&kinds.missing).len() <= MISSING);
    }
}
