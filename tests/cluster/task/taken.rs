//! Names that are taken: by somebody else, or by what an earlier Task of the same name left (KT-17, KT-68).

use anyhow::{Context as _, Result, ensure};
use joch_tests::objects::{agent, create, task, until_job, until_phase};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{config_maps, jobs, running, status, until_gone, until_reason};

#[test]
fn kt_17_a_job_of_somebody_else_is_not_adopted_and_the_task_runs_once_the_name_is_free()
-> Result<()> {
    on_cluster("task::foreign", async |cluster| {
        let stage = Stage::new(cluster, "task::foreign", &["kubetask"]).await?;
        let foreign = json!({
            "metadata": {"name": "t-job"},
            "spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "foreign:1"}],
            }}},
        });
        let foreign =
            jobs(&stage).create(&PostParams::default(), &serde_json::from_value(foreign)?).await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let _host = stage.host().await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        let waiting = until_reason(&tasks, "t", "Ready", "JobNameTaken").await?;
        ensure!(status(&waiting, "phase") == "Pending", "{waiting:?}");
        ensure!(status(&waiting, "startTime").is_null(), "{waiting:?}");
        let after = jobs(&stage).get("t-job").await?;
        ensure!(after.owner_references().is_empty(), "it was adopted: {after:?}");
        ensure!(
            after.uid() == foreign.uid() && after.spec == foreign.spec,
            "it was changed: {after:?}"
        );

        jobs(&stage).delete("t-job", &DeleteParams::background()).await?;
        until_phase(&tasks, "t", "Running").await?;
        let job = until_job(&stage.client, &stage.namespace, "t-job").await?;
        ensure!(job.uid() != foreign.uid() && job.owner_references().len() == 1, "{job:?}");
        Ok(())
    })
}

#[test]
fn kt_22_a_config_map_of_somebody_else_is_left_alone_and_the_task_runs_once_the_name_is_free()
-> Result<()> {
    on_cluster("task::foreign_map", async |cluster| {
        let stage = Stage::new(cluster, "task::foreign_map", &["kubetask"]).await?;
        let mut foreign = ConfigMap::default();
        foreign.metadata.name = Some("t-context".to_owned());
        foreign.data = Some([("whose".to_owned(), "mine".to_owned())].into());
        let foreign = config_maps(&stage).create(&PostParams::default(), &foreign).await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let _host = stage.host().await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        until_reason(&tasks, "t", "Ready", "ContextNameTaken").await?;
        let after = config_maps(&stage).get("t-context").await?;
        ensure!(after.resource_version() == foreign.resource_version(), "{after:?}");

        config_maps(&stage).delete("t-context", &DeleteParams::default()).await?;
        until_phase(&tasks, "t", "Running").await.map(drop)
    })
}

#[test]
fn kt_68_a_task_made_anew_runs_with_its_own_content_once_the_old_job_is_gone() -> Result<()> {
    on_cluster("task::anew", async |cluster| {
        let stage = Stage::new(cluster, "task::anew", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let tasks = running(&stage).await?;
        let old = until_job(&stage.client, &stage.namespace, "t-job").await?;
        // The garbage collector cannot remove the Job as long as somebody holds it.
        let hold = |finalizers| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        let kept = hold(json!(["joch.dev/test"]));
        jobs(&stage).patch("t-job", &PatchParams::default(), &kept).await?;

        tasks.delete("t", &DeleteParams::default()).await?;
        until_gone(&tasks, "t").await?;
        let mut again = task("t");
        again["spec"]["contexts"][0]["file"]["source"]["inline"] = json!("do it anew");
        create(&tasks, &again).await?;
        let waiting = until_reason(&tasks, "t", "Ready", "JobNameTaken").await?;
        ensure!(status(&waiting, "phase") == "Pending", "{waiting:?}");

        jobs(&stage).patch("t-job", &PatchParams::default(), &hold(json!([]))).await?;
        until_phase(&tasks, "t", "Running").await?;
        let job = jobs(&stage).get("t-job").await?;
        ensure!(job.uid() != old.uid(), "the old Job was adopted");
        let map = config_maps(&stage).get("t-context").await?;
        let data = map.data.context("no data")?;
        ensure!(data.get("workspace-task.md").is_some_and(|text| text == "do it anew"), "{data:?}");
        Ok(())
    })
}
