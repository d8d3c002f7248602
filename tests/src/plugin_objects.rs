//! Plugin objects, as tests write and read them.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::objects::{condition, phase};
use crate::paths;
use crate::stage::Stage;
use crate::wait::{LONG, eventually};

/// Access to all Plugin objects.
#[must_use]
pub fn plugins(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("joch.dev", "v1alpha1", "Plugin");
    Api::all_with(client, &ApiResource::from_gvk(&kind))
}

/// The surroundings of a host that looks at Plugin objects, on a control plane that has our definitions
/// and the example's; `folder` names the plugins of its folder.
///
/// # Errors
/// If a part is not built or does not start.
pub async fn stage(cluster: &Cluster, test: &str, folder: &[&str]) -> Result<Stage> {
    cluster.apply(&paths::root().join("crds"), None).await?;
    cluster.apply(&paths::root().join("examples/hello-controller/crd.yaml"), None).await?;
    let mut stage = Stage::new(cluster, test, folder).await?;
    stage.options.plugin_objects = true;
    Ok(stage)
}

/// A Plugin with this source that is granted whatever it asks for.
#[must_use]
pub fn plugin(name: &str, source: &Value) -> Value {
    json!({
        "apiVersion": "joch.dev/v1alpha1", "kind": "Plugin", "metadata": {"name": name},
        "spec": {"source": source, "grants": {"allow": "requested"}},
    })
}

/// Changes an object by a merge patch.
///
/// # Errors
/// The API server's.
pub async fn merge(api: &Api<DynamicObject>, name: &str, patch: Value) -> Result<DynamicObject> {
    Ok(api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?)
}

/// Puts a component into a ConfigMap, or replaces it.
///
/// # Errors
/// The API server's.
pub async fn put_in_map(stage: &Stage, name: &str, key: &str, bytes: &[u8]) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let held = k8s_openapi::ByteString(bytes.to_vec());
    let mut map = ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        binary_data: Some([(key.to_owned(), held)].into()),
        ..ConfigMap::default()
    };
    match maps.get_opt(name).await? {
        None => maps.create(&PostParams::default(), &map).await?,
        Some(found) => {
            map.metadata.resource_version = found.metadata.resource_version;
            maps.replace(name, &PostParams::default(), &map).await?
        }
    };
    Ok(())
}

/// One condition of a Plugin as `Status/Reason`.
#[must_use]
pub fn state(object: &DynamicObject, kind: &str) -> String {
    let text = |name: &str| {
        let value = condition(object, kind).and_then(|condition| condition.get(name)?.as_str());
        value.unwrap_or("none").to_owned()
    };
    format!("{}/{}", text("status"), text("reason"))
}

/// Each entry of a Plugin's history as `Event/Reason`, the newest first.
#[must_use]
pub fn history(object: &DynamicObject) -> Vec<String> {
    let entries = object.data.pointer("/status/history").and_then(Value::as_array);
    let text =
        |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let told = |entry| Some(format!("{}/{}", text(entry, "event")?, text(entry, "reason")?));
    entries.into_iter().flatten().filter_map(told).collect()
}

/// Waits until a Plugin has this phase and these conditions, each as `Type=Status/Reason`.
///
/// # Errors
/// If time is over; with the object's status.
pub async fn until(
    api: &Api<DynamicObject>,
    name: &str,
    wanted_phase: &str,
    conditions: &[&str],
) -> Result<DynamicObject> {
    eventually(&format!("{name} is {wanted_phase} with {conditions:?}"), LONG, async || {
        let object = api.get(name).await?;
        let status = object.data.get("status").cloned().unwrap_or_default();
        ensure!(phase(&object) == wanted_phase, "its status is {status}");
        for wanted in conditions {
            let (kind, wanted) = wanted.split_once('=').context("Type=Status/Reason")?;
            let found = state(&object, kind);
            ensure!(found == wanted, "{kind} is {found}: {status}");
        }
        Ok(object)
    })
    .await
}

/// Waits until there is an Event about a Plugin with this reason; its text.
///
/// # Errors
/// If time is over.
pub async fn until_event(client: &Client, plugin: &str, reason: &str) -> Result<String> {
    let events: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(client.clone(), "default");
    eventually(&format!("an Event {reason} about {plugin}"), LONG, async || {
        let list = events.list(&kube::api::ListParams::default()).await?;
        let about = |event: &&k8s_openapi::api::events::v1::Event| {
            event.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(plugin)
                && event.reason.as_deref() == Some(reason)
        };
        let found = list.items.iter().find(about).context("there is none")?;
        Ok(found.note.clone().unwrap_or_default())
    })
    .await
}
