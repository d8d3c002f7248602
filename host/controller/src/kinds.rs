//! Which resource serves a kind: asked of the API server, remembered once known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use joch_core::object::Gvk;
use kube::Client;
use kube::api::ApiResource;
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, oneshot};

/// A kind that the API server serves.
#[derive(Debug, Clone)]
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
    let cluster_scoped = match kind.group.as_str() {
        "" => ["Namespace", "Node", "PersistentVolume"].contains(&kind.kind.as_str()),
        "rbac.authorization.k8s.io" => kind.kind.starts_with("Cluster"),
        "storage.k8s.io" => kind.kind != "CSIStorageCapacity",
        "joch.dev" => kind.kind == "Plugin",
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
}

impl Kinds {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The resource that serves `kind`; none if there is none (yet).
    pub(crate) async fn find(&self, kind: &Gvk) -> Result<Option<Served>, kube::Error> {
        if let Some(served) = lock(&self.known).get(kind) {
            return Ok(Some(served.clone()));
        }
        let wanted = GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        let (resource, capabilities) = match oneshot::pinned_kind(&self.client, &wanted).await {
            Ok(found) => found,
            Err(kube::Error::Discovery(_)) => return Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(error),
        };
        let served = Served { resource, namespaced: capabilities.scope == Scope::Namespaced };
        lock(&self.known).insert(kind.clone(), served.clone());
        Ok(Some(served))
    }
}

/// Locks a mutex whose holders never panic; should one have done so, its data are still whole.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
