//! The demo's Tasks on a real node: pods run, read their files, write their logs, end well or badly.

use anyhow::{Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::guests::{PluginFolder, component};
use joch_tests::host::{Host, HostOptions};
use joch_tests::objects::{condition, create, kubetask, task, until_phase};
use joch_tests::paths;
use joch_tests::suite::on_node;
use serde_json::{Value, json};

/// The namespace of the demo's manifests.
pub(super) const NAMESPACE: &str = "joch-demo";

pub(super) async fn host(cluster: &Cluster, test: &str) -> Result<Host> {
    let folder = paths::logs(test)?;
    let plugins = PluginFolder::new(&folder)?;
    plugins.install("kubetask.wasm", &component("kubetask")?)?;
    let kubeconfig = cluster.kubeconfig();
    Host::start(HostOptions::new(plugins.path(), &kubeconfig, NAMESPACE, &folder)).await
}

pub(super) async fn log_of(cluster: &Cluster, job: &str) -> Result<String> {
    cluster.kubectl(&["logs", "-n", NAMESPACE, &format!("job/{job}")]).await
}

/// An Agent as the demo's, with another script.
fn agent(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "kubetask.io/v1alpha1", "kind": "Agent", "metadata": {"name": name},
        "spec": {
            "agentImage": "docker.io/library/busybox:1.35",
            "serviceAccountName": "demo-agent",
            "command": ["sh", "-c", script],
        },
    })
}

#[test]
fn tasks_run_in_pods_read_their_files_and_end_well_or_badly() -> Result<()> {
    on_node("node::task", async |cluster| {
        cluster.apply(&paths::root().join("examples/kubetask/demo/1-namespace.yaml"), None).await?;
        cluster.apply(&paths::root().join("examples/kubetask/demo/2-agent.yaml"), None).await?;
        let _host = host(cluster, "node::task").await?;
        cluster.apply(&paths::root().join("examples/kubetask/demo/3-tasks.yaml"), None).await?;
        let tasks = kubetask(cluster.client()?, "Task", NAMESPACE);

        for name in ["update-dependencies", "write-changelog", "triage-issues"] {
            let done = until_phase(&tasks, name, "Completed").await?;
            ensure!(condition(&done, "Succeeded").is_some(), "{:?}", done.data);
        }
        let said = log_of(cluster, "update-dependencies-job").await?;
        for wanted in [
            "task update-dependencies in namespace joch-demo",
            "| Run tests and create PR.",
            "output: done",
        ] {
            ensure!(said.contains(wanted), "{wanted:?} is not in the agent's log: {said}");
        }

        let agents = kubetask(cluster.client()?, "Agent", NAMESPACE);
        create(&agents, &agent("clumsy", "echo oh no; exit 3")).await?;
        let mut clumsy = task("clumsy");
        clumsy["spec"]["agentRef"] = json!("clumsy");
        create(&tasks, &clumsy).await?;
        let failed = until_phase(&tasks, "clumsy", "Failed").await?;
        ensure!(failed.data.pointer("/status/completionTime").is_some(), "{:?}", failed.data);
        ensure!(
            log_of(cluster, "clumsy-job").await?.contains("oh no"),
            "the log of a failed Task is there"
        );
        Ok(())
    })
}
