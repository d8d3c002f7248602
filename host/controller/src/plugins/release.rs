//! An uninstall's last step: a plugin's finalizers are taken off its objects, so that they can go.

use std::collections::BTreeSet;

use joch_core::finalizer::Kept;
use joch_core::name::PluginName;
use joch_core::object::{Gvk, ObjectKey};
use joch_core::port::KubeError;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::client::api;
use crate::error::translate;
use crate::registry::Shared;

/// How many objects are listed at once.
const PAGE: u32 = 500;
/// How often a patch is computed anew after somebody else was faster.
const TRIES: u32 = 4;

/// Takes finalizers of a plugin off all objects that hold them; how many there were.
pub(super) async fn release(
    shared: &Shared,
    plugin: &PluginName,
    finalizers: &BTreeSet<Kept>,
) -> Result<usize, KubeError> {
    let client = shared.leases.client(plugin);
    let mut released = 0;
    for Kept { kind, name } in finalizers {
        released += release_kind(shared, &client, kind, name).await?;
    }
    Ok(released)
}

async fn release_kind(
    shared: &Shared,
    client: &Client,
    kind: &Gvk,
    finalizer: &str,
) -> Result<usize, KubeError> {
    let target = ObjectKey { kind: kind.clone(), namespace: None, name: String::new() };
    let failed = |error: kube::Error| translate(error, "list", &target);
    let Some(served) = shared.kinds.find(kind).await.map_err(failed)? else { return Ok(0) };
    let everywhere: Api<DynamicObject> = api(client, &served.resource, None);
    let mut params = ListParams::default().limit(PAGE);
    let mut released = 0;
    loop {
        let page = everywhere.list(&params).await.map_err(failed)?;
        for object in page.items {
            if !has(&object, finalizer) {
                continue;
            }
            let namespace = object.metadata.namespace.as_deref();
            let own = api(client, &served.resource, namespace);
            take_off(&own, object, kind, finalizer).await?;
            released += 1;
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(released),
        }
    }
}

async fn take_off(
    api: &Api<DynamicObject>,
    mut object: DynamicObject,
    kind: &Gvk,
    finalizer: &str,
) -> Result<(), KubeError> {
    let key = crate::cached::key(kind, &object.metadata);
    for _ in 0..TRIES {
        let others = object.metadata.finalizers.unwrap_or_default();
        let others: Vec<_> = others.into_iter().filter(|name| name != finalizer).collect();
        let patch = Patch::Merge(json!({"metadata": {
            "uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version,
            "finalizers": others,
        }}));
        let written = api.patch(&key.name, &PatchParams::default(), &patch).await;
        match written.map_err(|error| translate(error, "patch", &key)) {
            Ok(_) | Err(KubeError::NotFound) => return Ok(()),
            Err(KubeError::Stale) => {}
            Err(error) => return Err(error),
        }
        let again = api.get_opt(&key.name).await;
        object = match again.map_err(|error| translate(error, "get", &key))? {
            Some(object) if has(&object, finalizer) => object,
            _ => return Ok(()),
        };
    }
    Err(KubeError::Stale)
}

fn has(object: &DynamicObject, finalizer: &str) -> bool {
    object.metadata.finalizers.iter().flatten().any(|name| name == finalizer)
}
