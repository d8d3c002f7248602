//! KubeTask as an ordinary kube-rs controller, on the functions of the crate `kubetask`. It holds what the host gives every plugin: caches, owner references,
//! status times, no write that changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures::StreamExt as _;
use joch_plugin::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::controller::{Action, Config as ControllerConfig, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use kubetask::objects;
use kubetask::plan::{self, Next, Start};
use kubetask::settings::Settings;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Failed;

const MANAGER: &str = "native";
/// After what time a failed turn is tried again.
const AGAIN: Duration = Duration::from_millis(250);

struct Around {
    namespace: String,
    agents: Store<DynamicObject>,
    jobs: Store<Job>,
    tasks: Api<DynamicObject>,
    config_maps: Api<ConfigMap>,
    job_api: Api<Job>,
}

/// Runs until it is killed.
pub(super) async fn run(client: Client, namespace: &str, concurrency: u16) {
    let resource =
        |kind: &str| ApiResource::from_gvk(&GroupVersionKind::gvk("kubetask.io", "v1alpha1", kind));
    let (task, agent) = (resource("Task"), resource("Agent"));
    let api = |resource: &ApiResource| -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), namespace, resource)
    };
    let tasks = api(&task);
    let job_api: Api<Job> = Api::namespaced(client.clone(), namespace);
    let any = watcher::Config::default;

    let agents = follow(api(&agent), reflector::store::Writer::new(agent));
    let jobs = follow(job_api.clone(), reflector::store::Writer::default());
    let controller = Controller::new_with(tasks.clone(), any(), task.clone())
        .owns(job_api.clone(), any())
        .with_config(ControllerConfig::default().concurrency(concurrency));
    let around = Arc::new(Around {
        namespace: namespace.to_owned(),
        agents,
        jobs,
        tasks,
        config_maps: Api::namespaced(client.clone(), namespace),
        job_api,
    });
    let again = |_: Arc<DynamicObject>, _: &Failed, _: Arc<Around>| Action::requeue(AGAIN);
    controller.run(reconcile, again, around).for_each(async |_| ()).await;
}

/// Keeps a store of the objects of one kind.
fn follow<K>(api: Api<K>, writer: reflector::store::Writer<K>) -> Store<K>
where
    K: kube::Resource<DynamicType: Clone + std::hash::Hash + Eq + Send + Sync + Unpin>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let store = writer.as_reader();
    let events = reflector::reflector(writer, watcher(api, watcher::Config::default()));
    tokio::spawn(events.default_backoff().for_each(async |_| ()));
    store
}

async fn reconcile(task: Arc<DynamicObject>, around: Arc<Around>) -> Result<Action, Failed> {
    turn(&task, &around).await.map_err(Failed)?;
    Ok(Action::await_change())
}

async fn turn(object: &DynamicObject, around: &Around) -> Result<()> {
    let task: objects::Task = convert(object)?;
    if plan::is_leaving(&task) || plan::is_finished(&task) {
        return Ok(());
    }
    let name = kubetask::job::job_name(&task);
    let key: ObjectRef<Job> = ObjectRef::new(&name).within(&around.namespace);
    let mut job = around.jobs.get(&key).map(|job| convert::<objects::Job>(&*job)).transpose()?;
    if job.is_none() && plan::has_started(&task) {
        // The cache may lag behind the status; that the Job is gone has to be certain.
        let live = around.job_api.get_opt(&name).await?;
        job = live.map(|job| convert(&job)).transpose()?;
    }
    match plan::next(&task, job.as_ref()) {
        Next::Report(status) => report(object, around, serde_json::to_value(status)?).await,
        Next::Start => start(object, &task, around).await,
    }
}

async fn start(object: &DynamicObject, task: &objects::Task, around: &Around) -> Result<()> {
    let name = plan::agent_name(task);
    let agent = around.agents.state().into_iter().find(|agent| agent.name_any() == name);
    let agent: Option<objects::Agent> = agent.map(|agent| convert(&*agent)).transpose()?;
    let (maps, settings) = (BTreeMap::new(), Settings::default());
    let now = jiff::Timestamp::now().as_millisecond();
    let now = Timestamp::from_unix_ms(u64::try_from(now)?);
    let launch = match plan::start(task, agent.as_ref(), &maps, &settings, now) {
        Start::Launch(launch) => launch,
        Start::Wait(status, _) => {
            return report(object, around, serde_json::to_value(status)?).await;
        }
    };
    if let Some(files) = launch.files {
        let name = kubetask::job::context_name(task);
        let mut map = owned(files, object, around)?;
        json_patch::merge(
            &mut map,
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}),
        );
        let force = PatchParams::apply(MANAGER).force();
        around.config_maps.patch(&name, &force, &Patch::Apply(map)).await?;
    }
    let job: Job = serde_json::from_value(owned(launch.job, object, around)?)?;
    match around.job_api.create(&PostParams::default(), &job).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => return Err(error.into()),
    }
    report(object, around, serde_json::to_value(launch.status)?).await
}

/// The document in the object's namespace, controlled by the object.
fn owned(mut document: Value, object: &DynamicObject, around: &Around) -> Result<Value> {
    let uid = object.uid().context("a Task without uid")?;
    let owner = json!([{"apiVersion": "kubetask.io/v1alpha1", "kind": "Task",
        "name": object.name_any(), "uid": uid, "controller": true}]);
    let metadata = json!({"namespace": around.namespace, "ownerReferences": owner});
    json_patch::merge(&mut document, &json!({"metadata": metadata}));
    Ok(document)
}

/// Writes the status with its times, unless it is there already.
async fn report(object: &DynamicObject, around: &Around, mut status: Value) -> Result<()> {
    let held = object.data.get("status");
    let text = |value: Option<&Value>, field: &str| {
        value.and_then(|value| value.get(field)?.as_str()).map(str::to_owned)
    };
    let phase = text(Some(&status), "phase");
    if phase == text(held, "phase") {
        return Ok(());
    }
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let generation = object.metadata.generation;
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        json_patch::merge(
            condition,
            &json!({"lastTransitionTime": now, "observedGeneration": generation}),
        );
    }
    let times = match phase.as_deref() {
        Some("Running") => json!({"startTime": now, "startedAt": now}),
        Some("Completed" | "Failed") => json!({"completionTime": now, "finishedAt": now}),
        _ => json!({}),
    };
    json_patch::merge(&mut status, &times);
    json_patch::merge(&mut status, &json!({"observedGeneration": generation, "updatedAt": now}));
    let patch = json!({"metadata": {"resourceVersion": object.metadata.resource_version}, "status": status});
    let params = PatchParams::default();
    around.tasks.patch_status(&object.name_any(), &params, &Patch::Merge(patch)).await?;
    Ok(())
}

fn convert<T: DeserializeOwned>(object: &impl serde::Serialize) -> Result<T> {
    serde_json::from_value(serde_json::to_value(object)?).map_err(|error| anyhow!("{error}"))
}
