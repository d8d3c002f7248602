//! How long finished Tasks are kept, with the real garbage collector: KT-70 to KT-76.

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::objects::{agent, create, end_pod, task, until_phase};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{config_maps, jobs, status, until_gone};

/// Makes the KubeTaskConfig of this name, in the place of the one that was; what it holds then.
async fn configure(stage: &Stage, name: &str, lifecycle: Value) -> Result<Value> {
    let configs = stage.kubetask("KubeTaskConfig");
    if configs.get_opt(name).await?.is_some() {
        configs.delete(name, &DeleteParams::default()).await?;
    }
    let config = json!({
        "apiVersion": "kubetask.io/v1alpha1", "kind": "KubeTaskConfig", "metadata": {"name": name},
        "spec": {"taskLifecycle": lifecycle},
    });
    let stored = create(&configs, &config).await?;
    Ok(stored.data.pointer("/spec/taskLifecycle").cloned().unwrap_or_default())
}

async fn complete(stage: &Stage, name: &str) -> Result<String> {
    let tasks = stage.kubetask("Task");
    let made = create(&tasks, &task(name)).await?;
    until_phase(&tasks, name, "Running").await?;
    end_pod(&stage.client, &stage.namespace, &format!("{name}-job"), "Succeeded").await?;
    until_phase(&tasks, name, "Completed").await?;
    made.uid().context("no uid")
}

/// Waits until `name` is reconciled after `change` was made.
async fn reconciled_after<T>(
    host: &Host,
    stage: &Stage,
    name: &str,
    change: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    let key = format!("Task {}/{name}", stage.namespace);
    let before = host.log()?.finished(&key);
    let changed = change().await?;
    eventually(&format!("{key} is reconciled again"), LONG, async || {
        ensure!(host.log()?.finished(&key) > before, "still {before} reconciles");
        Ok(())
    })
    .await?;
    Ok(changed)
}

#[test]
fn kt_70_71_72_75_76_a_finished_task_goes_when_the_config_says_so_and_takes_all_along() -> Result<()>
{
    on_cluster("task::ttl", async |cluster| {
        let stage = Stage::new(cluster, "task::ttl", &["kubetask"]).await?;
        let host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        // Only the one named default counts.
        configure(&stage, "other", json!({"ttlSecondsAfterFinished": 1})).await?;
        let uid = complete(&stage, "t").await?;
        create(&tasks, &task("runs")).await?;
        until_phase(&tasks, "runs", "Running").await?;

        for (lifecycle, seconds) in
            [(json!({"ttlSecondsAfterFinished": 0}), 0), (json!({}), 604_800)]
        {
            let filled = reconciled_after(&host, &stage, "t", async || {
                configure(&stage, "default", lifecycle).await
            });
            ensure!(filled.await? == json!({"ttlSecondsAfterFinished": seconds}));
            tasks.get("t").await?;
        }
        configure(&stage, "default", json!({"ttlSecondsAfterFinished": 1})).await?;
        until_gone(&tasks, "t").await?;
        until_gone(&jobs(&stage), "t-job").await?;
        until_gone(&config_maps(&stage), "t-context").await?;

        let deletions = stage.proxy.record().since(0, |entry| entry.request.verb == "delete");
        ensure!(deletions.len() == 1, "{deletions:?}");
        // Nothing is deleted by a cache that may lag.
        let asked = stage.proxy.record().since(0, |entry| {
            entry.request.resource == "kubetaskconfigs" && entry.request.verb == "get"
        });
        ensure!(asked.iter().any(|entry| entry.number < deletions[0].number), "{asked:?}");
        let body = &deletions[0].body;
        ensure!(body["propagationPolicy"] == "Background", "{body}");
        ensure!(body.pointer("/preconditions/uid") == Some(&json!(uid)), "{body}");

        // A running one stays, and goes so many seconds after its end.
        end_pod(&stage.client, &stage.namespace, "runs-job", "Succeeded").await?;
        until_gone(&tasks, "runs").await
    })
}

#[test]
fn kt_73_a_task_that_failed_without_a_time_is_given_one_and_goes() -> Result<()> {
    on_cluster("task::undated", async |cluster| {
        let stage = Stage::new(cluster, "task::undated", &["kubetask"]).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        // As the former controller left it.
        let ready = json!({
            "type": "Ready", "status": "False", "reason": "AgentError", "message": "not found",
            "lastTransitionTime": "2025-12-10T10:00:00Z",
        });
        let left = json!({"status": {"phase": "Failed", "conditions": [ready]}});
        tasks.patch_status("t", &PatchParams::default(), &Patch::Merge(left)).await?;
        let _host = stage.host().await?;
        let dated = eventually("it has a time", LONG, async || {
            let object = tasks.get("t").await?;
            ensure!(status(&object, "completionTime").is_string(), "{object:?}");
            Ok(object)
        })
        .await?;
        ensure!(status(&dated, "phase") == "Failed", "{dated:?}");
        ensure!(status(&dated, "startTime").is_null(), "{dated:?}");
        configure(&stage, "default", json!({"ttlSecondsAfterFinished": 1})).await?;
        until_gone(&tasks, "t").await
    })
}

#[test]
fn kt_74_a_negative_time_to_live_is_refused() -> Result<()> {
    on_cluster("task::negative_ttl", async |cluster| {
        let stage = Stage::new(cluster, "task::negative_ttl", &[]).await?;
        let refused = configure(&stage, "default", json!({"ttlSecondsAfterFinished": -1})).await;
        let text = refused.err().context("it was accepted")?.to_string();
        ensure!(
            text.contains("ttlSecondsAfterFinished") && text.contains("than or equal to 0"),
            "{text}"
        );
        Ok(())
    })
}
