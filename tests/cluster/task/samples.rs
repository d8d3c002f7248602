//! The samples of `examples/kubetask`, applied by kubectl as anybody would, and run.

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::HostOptions;
use joch_tests::objects::{kubetask, until_job, until_phase};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{status, until_gone, until_reason};

/// The namespace that the samples name.
const NAMESPACE: &str = "kubetask-system";

#[test]
fn the_samples_of_tasks_agents_and_settings_run_as_they_are() -> Result<()> {
    on_bare_cluster("task::samples", async |cluster| {
        cluster.apply(&paths::root().join("crds"), None).await?;
        cluster.kubectl(&["create", "namespace", NAMESPACE]).await?;
        let stage = Stage::new(cluster, "task::samples", &["kubetask"]).await?;
        let options =
            HostOptions { namespaces: vec![NAMESPACE.to_owned()], ..stage.options.clone() };
        let _host = joch_tests::host::Host::start(options).await?;
        let folder = paths::root().join("examples/kubetask");
        let apply = async |file: &str| cluster.apply(&folder.join(file), None).await;
        let make = async |what: &[&str]| {
            cluster.kubectl(&[&["-n", NAMESPACE, "create"], what].concat()).await
        };
        let tasks = kubetask(stage.client.clone(), "Task", NAMESPACE);
        let agents = kubetask(stage.client.clone(), "Agent", NAMESPACE);

        apply("simple-task.yaml").await?;
        until_phase(&tasks, "update-service-a", "Running").await?;
        let job = until_job(&stage.client, NAMESPACE, "update-service-a-job").await?;
        let job = serde_json::to_value(job)?;
        let container = |job: &Value, at: &str| {
            job.pointer(&format!("/spec/template/spec/containers/0{at}"))
                .cloned()
                .unwrap_or_default()
        };
        ensure!(container(&job, "/image") == "quay.io/myorg/claude-agent:v1.0", "{job:#}");
        tasks.delete("update-service-a", &DeleteParams::default()).await?;
        until_gone(&tasks, "update-service-a").await?;

        // The full Task names an Agent of its own: the full one, under that name.
        apply("task.yaml").await?;
        until_reason(&tasks, "update-service-a", "Ready", "AgentError").await?;
        apply("agent.yaml").await?;
        let guidelines = "--from-literal=guidelines.md=Be kind.";
        make(&["configmap", "org-configs", guidelines]).await?;
        let flow = "--from-literal=standard-pr-workflow.md=Test first.";
        make(&["configmap", "workflow-guides", flow]).await?;
        make(&["configmap", "my-configs", "--from-literal=a=b"]).await?;
        let full = agents.get("default").await?;
        for name in ["my-agent", "claude-workspace"] {
            let copy = json!({
                "apiVersion": "kubetask.io/v1alpha1", "kind": "Agent", "metadata": {"name": name},
                "spec": full.data["spec"],
            });
            agents.patch(name, &PatchParams::apply("test"), &Patch::Apply(copy)).await?;
        }
        let running = until_phase(&tasks, "update-service-a", "Running").await?;
        // The sample's own status is not taken over.
        ensure!(status(&running, "jobName") == "update-service-a-job", "{running:?}");
        let job = until_job(&stage.client, NAMESPACE, "update-service-a-job").await?;
        let job = serde_json::to_value(job)?;
        let script = container(&job, "/command/2");
        let script = script.as_str().context("no script")?;
        ensure!(script.contains("gemini --yolo -p") && script.contains("sleep 3600"), "{script}");
        let pod = job.pointer("/spec/template/spec").context("no pod")?;
        let modes = ["/volumes/0/secret/defaultMode", "/volumes/0/secret/items/0/mode"];
        for mode in modes {
            // 0400, read as octal.
            ensure!(pod.pointer(mode) == Some(&json!(256)), "{mode}: {pod:#}");
        }
        ensure!(pod.pointer("/nodeSelector/kubernetes.io~1os") == Some(&json!("linux")), "{pod:#}");
        ensure!(pod.pointer("/tolerations/0/key") == Some(&json!("dedicated")), "{pod:#}");

        apply("complex-task.yaml").await?;
        until_reason(&tasks, "complex-task", "Ready", "ContextError").await?;
        make(&["configmap", "guides", "--from-literal=refactoring-guide.md=Step by step."]).await?;
        make(&["configmap", "project-configs", "--from-literal=a=b"]).await?;
        until_phase(&tasks, "complex-task", "Running").await?;

        apply("kubetaskconfig.yaml").await?;
        let shown = cluster.kubectl(&["get", "ktc", "-n", NAMESPACE]).await?;
        ensure!(shown.contains("604800"), "{shown}");
        Ok(())
    })
}
