//! What happens to a Task that runs: edits, lost answers, Jobs that fail, end early or disappear.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use joch_tests::objects::{agent, condition, create, end_pod, task, until_job, until_phase, with};
use joch_tests::proxy::{Action, ApiRequest};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{jobs, running, status, until_reason};

#[test]
fn kt_19_an_edit_after_the_start_is_ignored_and_said_so() -> Result<()> {
    on_cluster("task::edited", async |cluster| {
        let stage = Stage::new(cluster, "task::edited", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let tasks = running(&stage).await?;
        let before = jobs(&stage).get("t-job").await?;

        let edit = json!({"spec": {"agentRef": "another", "contexts": []}});
        tasks.patch("t", &PatchParams::default(), &Patch::Merge(edit)).await?;
        let told = until_reason(&tasks, "t", "SpecChangeIgnored", "AlreadyStarted").await?;
        ensure!(status(&told, "phase") == "Running", "{told:?}");
        ensure!(status(&told, "observedGeneration") == 2, "{told:?}");
        let after = jobs(&stage).get("t-job").await?;
        ensure!(after.uid() == before.uid() && after.spec == before.spec, "{after:?}");

        end_pod(&stage.client, &stage.namespace, "t-job", "Succeeded").await?;
        let done = until_phase(&tasks, "t", "Completed").await?;
        ensure!(condition(&done, "SpecChangeIgnored").is_some(), "{done:?}");
        Ok(())
    })
}

#[test]
fn kt_63_a_failed_pod_ends_job_and_task_alike_and_is_not_followed_by_another_one() -> Result<()> {
    on_cluster("task::failed", async |cluster| {
        let stage = Stage::new(cluster, "task::failed", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let tasks = running(&stage).await?;
        end_pod(&stage.client, &stage.namespace, "t-job", "Failed").await?;
        let failed = until_reason(&tasks, "t", "Failed", "BackoffLimitExceeded").await?;
        ensure!(status(&failed, "phase") == "Failed", "{failed:?}");
        let job = eventually("the Job has failed as well", LONG, async || {
            let job = serde_json::to_value(jobs(&stage).get("t-job").await?)?;
            let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
            let failed = |c: &Value| c["type"] == "Failed" && c["status"] == "True";
            ensure!(conditions.is_some_and(|list| list.iter().any(failed)), "{job}");
            Ok(job)
        })
        .await?;
        ensure!(job.pointer("/status/failed") == Some(&json!(1)), "{job}");
        let pods: Api<Pod> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let pods = pods.list(&ListParams::default()).await?.items.len();
        ensure!(pods == 1, "{pods} pods");
        Ok(())
    })
}

#[test]
fn kt_64_a_job_deleted_by_hand_fails_the_task_and_is_not_started_again() -> Result<()> {
    on_cluster("task::deleted", async |cluster| {
        let stage = Stage::new(cluster, "task::deleted", &["kubetask"]).await?;
        let host = stage.host().await?;
        let tasks = running(&stage).await?;
        jobs(&stage).delete("t-job", &DeleteParams::background()).await?;
        let failed = until_reason(&tasks, "t", "Failed", "JobMissing").await?;
        ensure!(status(&failed, "phase") == "Failed", "{failed:?}");
        for field in ["startTime", "completionTime"] {
            ensure!(status(&failed, field).is_string(), "{field}: {failed:?}");
        }
        let posts = stage.proxy.record().posts("jobs", &stage.namespace);
        ensure!(posts == 1, "{posts} Jobs were posted");
        let failures = host.log()?.lines().filter(|l| l.message() == "reconcile failed").count();
        ensure!(failures == 0, "{failures} reconciles failed");
        Ok(())
    })
}

#[test]
fn kt_65_a_job_that_ends_without_an_ended_pod_ends_the_task() -> Result<()> {
    on_cluster("task::deadline", async |cluster| {
        let stage = Stage::new(cluster, "task::deadline", &["kubetask"]).await?;
        let _host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        until_job(&stage.client, &stage.namespace, "t-job").await?;
        let deadline = Patch::Merge(json!({"spec": {"activeDeadlineSeconds": 1}}));
        jobs(&stage).patch("t-job", &PatchParams::default(), &deadline).await?;
        let failed = until_reason(&tasks, "t", "Failed", "DeadlineExceeded").await?;
        ensure!(status(&failed, "phase") == "Failed", "{failed:?}");
        Ok(())
    })
}

#[test]
fn kt_67_a_lost_status_write_costs_no_second_job_and_the_start_time_stays() -> Result<()> {
    on_cluster("task::lost_write", async |cluster| {
        let first = AtomicBool::new(true);
        let lose = move |request: &ApiRequest| {
            let status = request.resource == "tasks" && request.subresource.is_some();
            if status && request.is_write() && first.swap(false, Ordering::Relaxed) {
                Action::Status(500)
            } else {
                Action::Pass
            }
        };
        let stage = Stage::with_faults(cluster, "task::lost_write", &["kubetask"], lose).await?;
        let _host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        let running = until_phase(&tasks, "t", "Running").await?;
        let mark = status(&running, "startTime").as_str().context("no startTime")?.to_owned();
        let lost = stage.proxy.record().since(0, |entry| entry.code == Some(500)).len();
        let posts = stage.proxy.record().posts("jobs", &stage.namespace);
        ensure!((lost, posts) == (1, 1), "{lost} writes were lost, {posts} Jobs posted");

        end_pod(&stage.client, &stage.namespace, "t-job", "Succeeded").await?;
        let done = until_phase(&tasks, "t", "Completed").await?;
        ensure!(status(&done, "startTime") == mark.as_str(), "{done:?}");
        Ok(())
    })
}

#[test]
fn kt_54_human_in_the_loop_without_a_command_is_told() -> Result<()> {
    on_cluster("task::in_vain", async |cluster| {
        let stage = Stage::new(cluster, "task::in_vain", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let human = with(agent("default"), "humanInTheLoop", json!({"enabled": true}));
        create(&stage.kubetask("Agent"), &human).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        let told = until_reason(&tasks, "t", "HumanInTheLoopIgnored", "NoCommand").await?;
        ensure!(status(&told, "phase") == "Running", "{told:?}");
        let job = serde_json::to_value(jobs(&stage).get("t-job").await?)?;
        let container = job.pointer("/spec/template/spec/containers/0").context("no container")?;
        let variable = json!({"name": "KUBETASK_KEEP_ALIVE_SECONDS", "value": "3600"});
        ensure!(container.pointer("/env/2") == Some(&variable), "{container}");
        ensure!(container.get("command").is_none(), "{container}");
        Ok(())
    })
}
