//! The objects of the suites, as JSON, and the part of a kubelet: ending a pod.

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::wait::{LONG, eventually};

/// Access to one kind of `kubetask.io/v1alpha1` in a namespace.
#[must_use]
pub fn kubetask(client: Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("kubetask.io", "v1alpha1", kind);
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

/// Access to the example's Greetings.
#[must_use]
pub fn greetings(client: Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("hello.joch.dev", "v1alpha1", "Greeting");
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

/// A Task with one inline context.
#[must_use]
pub fn task(name: &str) -> Value {
    json!({
        "apiVersion": "kubetask.io/v1alpha1", "kind": "Task", "metadata": {"name": name},
        "spec": {"contexts": [{"type": "File", "file": {
            "filePath": "/workspace/task.md", "source": {"inline": format!("do {name}")},
        }}]},
    })
}

/// An Agent.
#[must_use]
pub fn agent(name: &str) -> Value {
    json!({
        "apiVersion": "kubetask.io/v1alpha1", "kind": "Agent", "metadata": {"name": name},
        "spec": {"agentImage": "custom-agent:v1.0.0", "serviceAccountName": "runner"},
    })
}

/// The object with a field of its spec set to a value.
#[must_use]
pub fn with(mut object: Value, field: &str, value: Value) -> Value {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert(field.to_owned(), value);
    }
    object
}

/// Creates an object from its JSON.
///
/// # Errors
/// The API server's.
pub async fn create(api: &Api<DynamicObject>, object: &Value) -> Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    Ok(api.create(&PostParams::default(), &object).await?)
}

/// Changes an annotation, which concerns nobody and wakes everybody who depends on the object.
///
/// # Errors
/// The API server's.
pub async fn touch(api: &Api<DynamicObject>, name: &str, value: &str) -> Result<DynamicObject> {
    let patch = json!({"metadata": {"annotations": {"joch-tests/touched": value}}});
    Ok(api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?)
}

/// The phase of a status; empty if there is none.
#[must_use]
pub fn phase(object: &DynamicObject) -> &str {
    object.data.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

/// A condition of a status, by its type.
#[must_use]
pub fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<&'a Value> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

/// Waits until an object has a phase.
///
/// # Errors
/// If time is over; with the object's status.
pub async fn until_phase(
    api: &Api<DynamicObject>,
    name: &str,
    wanted: &str,
) -> Result<DynamicObject> {
    eventually(&format!("{name} is {wanted}"), LONG, async || {
        let object = api.get(name).await?;
        if phase(&object) == wanted {
            return Ok(object);
        }
        bail!("its status is {}", object.data.get("status").unwrap_or(&Value::Null))
    })
    .await
}

/// Waits until there is a Job of this name.
///
/// # Errors
/// If time is over.
pub async fn until_job(client: &Client, namespace: &str, name: &str) -> Result<Job> {
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    eventually(&format!("there is a Job {name}"), LONG, async || Ok(jobs.get(name).await?)).await
}

/// Ends the pod of a Job as a kubelet would report it, `Succeeded` or `Failed`; the real Job controller
/// then concludes. (A control plane without a node starts no pods, but it makes the objects.)
///
/// # Errors
/// If the Job gets no pod.
pub async fn end_pod(client: &Client, namespace: &str, job: &str, phase: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={job}"));
    let find = async || {
        let found = pods.list(&of_job).await?.items.into_iter().next();
        found.with_context(|| format!("no pod of Job {job}"))
    };
    let pod = eventually(&format!("Job {job} has a pod"), LONG, find).await?;
    let status = Patch::Merge(json!({"status": {"phase": phase}}));
    pods.patch_status(&pod.name_any(), &PatchParams::default(), &status).await?;
    Ok(())
}
