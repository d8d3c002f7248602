//! Tasks on a real control plane, by the cases KT-xx of the KubeTask reference: the exact Job, and what the
//! API server, the Job controller and the garbage collector have a part in.

mod definitions;
mod keeping;
mod life;
mod old_definitions;
mod samples;
mod taken;
mod thousand;
mod waiting;

use anyhow::{Context as _, Result, ensure};
use joch_tests::objects::{
    agent, condition, create, end_pod, phase, task, touch, until_job, until_phase, with,
};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, DynamicObject};
use serde_json::{Value, json};

fn status<'a>(object: &'a DynamicObject, field: &str) -> &'a Value {
    object.data.pointer(&format!("/status/{field}")).unwrap_or(&Value::Null)
}

/// A Task with these contexts.
fn task_with(name: &str, contexts: &Value) -> Value {
    with(task(name), "contexts", contexts.clone())
}

/// Waits until a Task's condition has a reason.
async fn until_reason(
    tasks: &Api<DynamicObject>,
    name: &str,
    kind: &str,
    reason: &str,
) -> Result<DynamicObject> {
    eventually(&format!("{name} tells {kind} by {reason}"), LONG, async || {
        let object = tasks.get(name).await?;
        let condition = condition(&object, kind).context("no such condition")?;
        ensure!(condition.get("reason") == Some(&json!(reason)), "{condition}");
        Ok(object)
    })
    .await
}

/// Waits until an object is gone.
async fn until_gone<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    eventually(&format!("{name} is gone"), LONG, async || {
        ensure!(api.get_opt(name).await?.is_none(), "it is there");
        Ok(())
    })
    .await
}

/// An Agent, and a Task `t` that runs.
async fn running(stage: &Stage) -> Result<Api<DynamicObject>> {
    create(&stage.kubetask("Agent"), &agent("default")).await?;
    let tasks = stage.kubetask("Task");
    create(&tasks, &task("t")).await?;
    until_phase(&tasks, "t", "Running").await?;
    Ok(tasks)
}

fn jobs(stage: &Stage) -> Api<Job> {
    Api::namespaced(stage.client.clone(), &stage.namespace)
}

fn config_maps(stage: &Stage) -> Api<ConfigMap> {
    Api::namespaced(stage.client.clone(), &stage.namespace)
}

#[test]
fn kt_01_02_03_04_06_07_09_22_23_a_task_becomes_exactly_the_documented_job() -> Result<()> {
    on_cluster("task::job", async |cluster| {
        let stage = Stage::new(cluster, "task::job", &["kubetask"]).await?;
        let _host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        let made = create(&tasks, &task("t")).await?;

        let job = until_job(&stage.client, &stage.namespace, "t-job").await?;
        let job = serde_json::to_value(job)?;
        let at = |pointer: &str| job.pointer(pointer).cloned().unwrap_or_default();
        let labels = json!({"app": "kubetask", "kubetask.io/task": "t"});
        // Besides those that the API server adds to every Job.
        let own = |pointer: &str| {
            let mut labels = at(pointer);
            if let Some(labels) = labels.as_object_mut() {
                labels.retain(|name, _| {
                    !name.contains("job-name") && !name.contains("controller-uid")
                });
            }
            labels
        };
        ensure!(own("/metadata/labels") == labels, "{job:#}");
        ensure!(own("/spec/template/metadata/labels") == labels, "{job:#}");
        let owners = at("/metadata/ownerReferences");
        let owner = owners.get(0).context("no owner")?;
        ensure!(owners.as_array().is_some_and(|owners| owners.len() == 1), "{owners}");
        for (field, value) in [
            ("apiVersion", json!("kubetask.io/v1alpha1")),
            ("kind", json!("Task")),
            ("name", json!("t")),
            ("uid", json!(made.metadata.uid)),
            ("controller", json!(true)),
        ] {
            ensure!(owner.get(field) == Some(&value), "{field}: {owner}");
        }
        let pod = at("/spec/template/spec");
        for (pointer, value) in [
            ("/serviceAccountName", json!("runner")),
            ("/restartPolicy", json!("Never")),
            ("/initContainers", Value::Null),
            ("/containers/1", Value::Null),
            ("/containers/0/name", json!("agent")),
            ("/containers/0/image", json!("custom-agent:v1.0.0")),
            ("/containers/0/imagePullPolicy", json!("IfNotPresent")),
            ("/containers/0/command", Value::Null),
            (
                "/containers/0/env",
                json!([
                    {"name": "TASK_NAME", "value": "t"},
                    {"name": "TASK_NAMESPACE", "value": stage.namespace},
                ]),
            ),
            (
                "/containers/0/volumeMounts",
                json!([{"name": "context-files", "mountPath": "/workspace/task.md",
                    "subPath": "workspace-task.md"}]),
            ),
        ] {
            ensure!(
                pod.pointer(pointer).cloned().unwrap_or_default() == value,
                "{pointer}: {pod:#}"
            );
        }

        let map = config_maps(&stage).get("t-context").await?;
        let of = map.owner_references().first().context("no owner of the ConfigMap")?;
        ensure!(Some(&of.uid) == made.metadata.uid.as_ref(), "{of:?}");
        ensure!(of.controller == Some(true) && map.owner_references().len() == 1, "{map:?}");
        ensure!(serde_json::to_value(map.labels())? == labels, "{map:?}");
        let text = map.data.and_then(|data| data.get("workspace-task.md").cloned());
        ensure!(text.as_deref() == Some("do t"), "{text:?}");

        let running = until_phase(&tasks, "t", "Running").await?;
        ensure!(status(&running, "jobName") == "t-job", "{running:?}");
        for field in ["startTime", "startedAt", "updatedAt"] {
            ensure!(status(&running, field).is_string(), "{field}: {running:?}");
        }
        ensure!(status(&running, "observedGeneration") == 1, "{running:?}");
        Ok(())
    })
}

#[test]
fn kt_11_12_a_task_without_its_agent_waits_visibly_and_runs_once_there_is_one() -> Result<()> {
    on_cluster("task::no_agent", async |cluster| {
        let stage = Stage::new(cluster, "task::no_agent", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        let waiting = eventually("the Task tells what it waits for", LONG, async || {
            let object = tasks.get("t").await?;
            condition(&object, "Ready").context("no condition Ready")?;
            Ok(object)
        })
        .await?;
        let ready = condition(&waiting, "Ready").context("no condition")?;
        ensure!(phase(&waiting) == "Pending", "{waiting:?}");
        ensure!(ready.get("status") == Some(&json!("False")), "{ready}");
        ensure!(ready.get("reason") == Some(&json!("AgentError")), "{ready}");
        ensure!(ready.to_string().contains("not found in namespace"), "{ready}");
        ensure!(stage.proxy.record().posts("jobs", &stage.namespace) == 0, "a Job was posted");

        create(&stage.kubetask("Agent"), &agent("default")).await?;
        until_phase(&tasks, "t", "Running").await.map(drop)
    })
}

async fn ends(stage: &Stage, name: &str, pod: &str, wanted: &str) -> Result<DynamicObject> {
    let tasks = stage.kubetask("Task");
    create(&tasks, &task(name)).await?;
    until_phase(&tasks, name, "Running").await?;
    end_pod(&stage.client, &stage.namespace, &format!("{name}-job"), pod).await?;
    let ended = until_phase(&tasks, name, wanted).await?;
    for (seeds, common) in [("startTime", "startedAt"), ("completionTime", "finishedAt")] {
        ensure!(status(&ended, seeds).is_string(), "{seeds}: {ended:?}");
        ensure!(status(&ended, seeds) == status(&ended, common), "{ended:?}");
    }
    Ok(ended)
}

#[test]
fn kt_18_60_61_sc_18_a_task_ends_as_its_job_does_and_takes_it_along_when_it_is_deleted()
-> Result<()> {
    on_cluster("task::ends", async |cluster| {
        let stage = Stage::new(cluster, "task::ends", &["kubetask"]).await?;
        let _host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let good = ends(&stage, "good", "Succeeded", "Completed").await?;
        ensure!(condition(&good, "Succeeded").is_some(), "{good:?}");
        let bad = ends(&stage, "bad", "Failed", "Failed").await?;
        ensure!(condition(&bad, "Failed").is_some(), "{bad:?}");

        stage.kubetask("Task").delete("good", &DeleteParams::default()).await?;
        until_gone(&jobs(&stage), "good-job").await?;
        until_gone(&config_maps(&stage), "good-context").await
    })
}

#[test]
fn kt_66_a_settled_task_causes_no_write() -> Result<()> {
    on_cluster("task::settled", async |cluster| {
        let stage = Stage::new(cluster, "task::settled", &["kubetask"]).await?;
        let host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        ends(&stage, "done", "Succeeded", "Completed").await?;
        create(&tasks, &task("runs")).await?;
        until_phase(&tasks, "runs", "Running").await?;

        // A touch of the object itself is certain to wake it; only then is silence a result.
        let mark = stage.proxy.record().mark();
        for name in ["done", "runs"] {
            let key = format!("Task {}/{name}", stage.namespace);
            for round in 0..3 {
                let before = host.log()?.finished(&key);
                let touched = touch(&tasks, name, &round.to_string()).await?;
                eventually(&format!("{key} is reconciled again"), LONG, async || {
                    ensure!(host.log()?.finished(&key) > before, "still {before} reconciles");
                    Ok(())
                })
                .await?;
                let after = tasks.get(name).await?;
                ensure!(after.resource_version() == touched.resource_version(), "{after:?}");
            }
            let writes = stage.proxy.record().writes_to("tasks", &stage.namespace, name, mark);
            ensure!(writes.is_empty(), "writes to {name}: {writes:?}");
        }
        Ok(())
    })
}
