//! Which resource serves a kind: asked of the API server, remembered once known.

use std::collections::HashMap;
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
