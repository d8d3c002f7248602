//! Tasks that lack an Agent or a ConfigMap: who waits, for how long, and whom its appearance wakes
//! (KT-11, KT-27 to KT-31).

use anyhow::{Context as _, Result, ensure};
use joch_tests::objects::{agent, condition, create, phase, task, until_phase, with};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{config_maps, status, task_with, until_reason};

/// A Task that needs key `k` of a ConfigMap, and another one as a directory.
fn needs(name: &str, map: &str, directory: &str) -> Value {
    task_with(
        name,
        &json!([
            {"type": "File", "file": {
                "filePath": "/a", "source": {"configMapKeyRef": {"name": map, "key": "k"}},
            }},
            {"type": "File", "file": {
                "dirPath": "/d", "source": {"configMapRef": {"name": directory}},
            }},
        ]),
    )
}

async fn make_map(stage: &Stage, name: &str, text: &str) -> Result<()> {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map.data = Some([("k".to_owned(), text.to_owned())].into());
    config_maps(stage).create(&PostParams::default(), &map).await?;
    Ok(())
}

fn settings(stage: &Stage, text: &str) -> Result<()> {
    stage.plugins.install("kubetask.config.json", text.as_bytes())
}

#[test]
fn kt_11_29_31_what_stays_missing_fails_the_task_for_the_same_reason() -> Result<()> {
    on_cluster("task::grace", async |cluster| {
        let stage = Stage::new(cluster, "task::grace", &["kubetask"]).await?;
        settings(&stage, r#"{"missingGraceSeconds": 2}"#)?;
        let _host = stage.host().await?;
        let (tasks, agents) = (stage.kubetask("Task"), stage.kubetask("Agent"));
        create(&agents, &agent("default")).await?;
        make_map(&stage, "there", "text").await?;
        let without_agent = with(task("agentless"), "agentRef", json!("nobody"));
        for (object, reason, said) in [
            (without_agent, "AgentError", "Agent.kubetask.io \"nobody\" not found"),
            (needs("fileless", "nowhere", "there"), "ContextError", "ConfigMap nowhere not found"),
            (
                needs("folderless", "there", "nowhere"),
                "ContextError",
                "ConfigMap nowhere not found",
            ),
        ] {
            let name = object["metadata"]["name"].as_str().context("no name")?;
            create(&tasks, &object).await?;
            let waiting = until_reason(&tasks, name, "Ready", reason).await?;
            ensure!(phase(&waiting) == "Pending", "{waiting:?}");
            let failed = until_phase(&tasks, name, "Failed").await?;
            let ready = condition(&failed, "Ready").context("no Ready")?;
            ensure!(ready["reason"] == reason && ready["status"] == "False", "{ready}");
            ensure!(ready["message"].as_str().is_some_and(|text| text.contains(said)), "{ready}");
            ensure!(status(&failed, "completionTime").is_string(), "{failed:?}");
            ensure!(status(&failed, "startTime").is_null(), "{failed:?}");
            let since =
                |object| condition(object, "Ready").map(|c| c["lastTransitionTime"].clone());
            ensure!(since(&failed) == since(&waiting), "Ready was False all the time");
        }
        let posts = stage.proxy.record().posts("jobs", &stage.namespace);
        ensure!(posts == 0, "{posts} Jobs were posted");
        Ok(())
    })
}

#[test]
fn kt_27_29_30_31_what_appears_starts_the_tasks_that_read_it_and_wakes_no_other() -> Result<()> {
    on_cluster("task::appears", async |cluster| {
        let stage = Stage::new(cluster, "task::appears", &["kubetask"]).await?;
        let host = stage.host().await?;
        let (tasks, agents) = (stage.kubetask("Task"), stage.kubetask("Agent"));
        create(&agents, &agent("default")).await?;
        make_map(&stage, "dir", "text").await?;
        let other = with(task("other"), "agentRef", json!("nobody"));
        create(&tasks, &other).await?;
        create(&tasks, &needs("one", "m-one", "dir")).await?;
        create(&tasks, &needs("two", "m-two", "dir")).await?;
        for (name, reason) in
            [("other", "AgentError"), ("one", "ContextError"), ("two", "ContextError")]
        {
            until_reason(&tasks, name, "Ready", reason).await?;
        }
        let key = |name: &str| format!("Task {}/{name}", stage.namespace);
        // Its own status wakes a Task once more: settled is who was seen with it.
        let settled = async |name: &str| {
            let key = key(name);
            eventually(&format!("{key} is settled"), LONG, async || {
                ensure!(host.log()?.finished(&key) >= 2, "not yet");
                Ok(host.log()?.finished(&key))
            })
            .await
        };
        let before = (settled("two").await?, settled("other").await?);
        settled("one").await?;

        make_map(&stage, "m-one", "first").await?;
        until_phase(&tasks, "one", "Running").await?;
        let log = host.log()?;
        let after = (log.finished(&key("two")), log.finished(&key("other")));
        ensure!(after == before, "woken for nothing: {before:?}, {after:?}");

        // The text is a copy.
        let edit = Patch::Merge(json!({"data": {"k": "second"}}));
        config_maps(&stage).patch("m-one", &PatchParams::default(), &edit).await?;
        make_map(&stage, "m-two", "third").await?;
        until_phase(&tasks, "two", "Running").await?;
        for (map, text) in [("one-context", "first"), ("two-context", "third")] {
            let data = config_maps(&stage).get(map).await?.data.context("no data")?;
            ensure!(data.get("a").is_some_and(|held| held == text), "{map}: {data:?}");
        }
        Ok(())
    })
}

#[test]
fn settings_that_do_not_fit_are_told_and_mended_without_a_restart() -> Result<()> {
    on_cluster("task::settings", async |cluster| {
        let stage = Stage::new(cluster, "task::settings", &["kubetask"]).await?;
        settings(&stage, r#"{"missingGrace": 2}"#)?;
        let host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        eventually("the error is told", LONG, async || {
            let log = host.log()?;
            let told = log.lines().find(|line| line.message() == "reconcile failed");
            let told = told.context("not yet")?;
            ensure!(
                told.mentions("the plugin's config") && told.mentions("missingGrace"),
                "{told:?}"
            );
            Ok(())
        })
        .await?;
        settings(&stage, r#"{"missingGraceSeconds": 2, "stopGraceSeconds": 7}"#)?;
        until_phase(&tasks, "t", "Running").await?;
        let job = super::jobs(&stage).get("t-job").await?;
        let pod = job.spec.and_then(|spec| spec.template.spec).context("no pod")?;
        ensure!(pod.termination_grace_period_seconds == Some(7), "{pod:?}");
        Ok(())
    })
}
