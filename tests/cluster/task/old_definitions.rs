//! On the definitions that a KubeTask of v3.1 left behind: the same life, nothing loops (SC-15).

use anyhow::{Context as _, Result, ensure};
use joch_tests::objects::{agent, condition, create, end_pod, task, touch, until_phase, with};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{status, until_gone, until_reason};

#[test]
fn sc_15_kt_11_13_73_74_96_the_controller_works_on_the_definitions_of_v3_1() -> Result<()> {
    on_bare_cluster("task::old_definitions", async |cluster| {
        let definitions = paths::root().join("tests/cluster/task/old-definitions.yaml");
        cluster.apply(&definitions, None).await?;
        let stage = Stage::new(cluster, "task::old_definitions", &["kubetask"]).await?;
        stage.plugins.install("kubetask.config.json", br#"{"missingGraceSeconds": 1}"#)?;
        let host = stage.host().await?;
        let (tasks, agents) = (stage.kubetask("Task"), stage.kubetask("Agent"));

        // What our definitions refuse ends clearly.
        let long = "x".repeat(60);
        create(&tasks, &task(&long)).await?;
        until_reason(&tasks, &long, "Ready", "InvalidName").await?;
        create(&tasks, &with(task("nameless"), "agentRef", json!("No/Name"))).await?;
        let accountless = with(agent("accountless"), "serviceAccountName", json!(""));
        create(&agents, &accountless).await?;
        create(&tasks, &with(task("unable"), "agentRef", json!("accountless"))).await?;
        let negative = json!({
            "apiVersion": "kubetask.io/v1alpha1", "kind": "KubeTaskConfig",
            "metadata": {"name": "default"},
            "spec": {"taskLifecycle": {"ttlSecondsAfterFinished": -1}},
        });
        create(&stage.kubetask("KubeTaskConfig"), &negative).await?;
        for name in ["nameless", "unable"] {
            let failed = until_phase(&tasks, name, "Failed").await?;
            let ready = condition(&failed, "Ready").context("no Ready")?;
            ensure!(ready["reason"] == "AgentError", "{ready}");
            ensure!(status(&failed, "completionTime").is_string(), "{failed:?}");
        }

        // A whole life.
        create(&agents, &agent("default")).await?;
        create(&tasks, &task("t")).await?;
        let running = until_phase(&tasks, "t", "Running").await?;
        ensure!(status(&running, "startTime").is_string(), "{running:?}");
        for field in ["startedAt", "updatedAt", "observedGeneration"] {
            ensure!(status(&running, field).is_null(), "the definition has {field} after all");
        }
        end_pod(&stage.client, &stage.namespace, "t-job", "Succeeded").await?;
        let done = until_phase(&tasks, "t", "Completed").await?;
        ensure!(status(&done, "completionTime").is_string(), "{done:?}");

        // Settled, also under a time to live that makes no sense, it causes no write.
        let key = format!("Task {}/t", stage.namespace);
        for round in 0..3 {
            let before = host.log()?.finished(&key);
            let touched = touch(&tasks, "t", &round.to_string()).await?;
            eventually("it is reconciled again", LONG, async || {
                ensure!(host.log()?.finished(&key) > before, "still {before} reconciles");
                Ok(())
            })
            .await?;
            let after = tasks.get("t").await?;
            ensure!(after.resource_version() == touched.resource_version(), "{after:?}");
        }
        let log = host.log()?;
        let told: Vec<_> = log.lines().filter(|line| line.message().contains("left out")).collect();
        for field in ["startedAt", "finishedAt", "updatedAt", "observedGeneration"] {
            let naming = told.iter().filter(|line| {
                let fields = line.text("fields").unwrap_or_default();
                fields.split(", ").any(|named| named == field)
            });
            ensure!(naming.count() == 1, "{field} is not named once: {told:?}");
        }
        let broken = log.lines().filter(|line| line.message() == "reconcile failed").count();
        ensure!(broken == 0, "{broken} reconciles failed");

        // The time to live works there too.
        let two = json!({"spec": {"taskLifecycle": {"ttlSecondsAfterFinished": 1}}});
        let configs = stage.kubetask("KubeTaskConfig");
        configs.patch("default", &PatchParams::default(), &Patch::Merge::<Value>(two)).await?;
        for name in ["t", "nameless", "unable"] {
            until_gone(&tasks, name).await?;
        }
        Ok(())
    })
}
