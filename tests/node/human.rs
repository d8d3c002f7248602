//! Human in the loop on a real node, and how soon an agent stops whose Task is deleted.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::objects::{create, kubetask, phase, task, until_phase, with};
use joch_tests::paths;
use joch_tests::suite::{on_node, say};
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use serde_json::json;

use super::task::{NAMESPACE, agent, host, log_of};

/// What a container says when its work is over and it stays alive.
const NOTE: &str = "Human-in-the-loop: keeping container alive for";

async fn prepare(cluster: &Cluster) -> Result<Api<DynamicObject>> {
    cluster.apply(&paths::root().join("examples/kubetask/demo/1-namespace.yaml"), None).await?;
    Ok(kubetask(cluster.client()?, "Task", NAMESPACE))
}

/// Has an Agent of this name run this script, by a Task of the same name.
async fn run(cluster: &Cluster, name: &str, script: &str, keep_alive: Option<u32>) -> Result<()> {
    let mut agent = agent(name, script);
    if let Some(seconds) = keep_alive {
        let human = json!({"enabled": true, "keepAliveSeconds": seconds});
        agent = with(agent, "humanInTheLoop", human);
    }
    create(&kubetask(cluster.client()?, "Agent", NAMESPACE), &agent).await?;
    let task = with(task(name), "agentRef", json!(name));
    create(&kubetask(cluster.client()?, "Task", NAMESPACE), &task).await?;
    Ok(())
}

fn pods(cluster: &Cluster) -> Result<Api<Pod>> {
    Ok(Api::namespaced(cluster.client()?, NAMESPACE))
}

async fn pod_of(cluster: &Cluster, name: &str) -> Result<Option<Pod>> {
    let of_task = ListParams::default().labels(&format!("kubetask.io/task={name}"));
    Ok(pods(cluster)?.list(&of_task).await?.items.into_iter().next())
}

fn container(pod: &Pod) -> Option<&ContainerState> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.first()?.state.as_ref()
}

/// Waits until the agent has said this.
async fn until_said(cluster: &Cluster, name: &str, text: &str) -> Result<()> {
    eventually(&format!("{name} says {text:?}"), LONG, async || {
        let said = log_of(cluster, &format!("{name}-job")).await?;
        ensure!(said.contains(text), "it says {said:?}");
        Ok(())
    })
    .await
}

/// Deletes a Task and waits until its pod is gone; how long that took.
async fn until_stopped(
    cluster: &Cluster,
    tasks: &Api<DynamicObject>,
    name: &str,
) -> Result<Duration> {
    let began = Instant::now();
    tasks.delete(name, &DeleteParams::default()).await?;
    eventually(&format!("the pod of {name} is gone"), LONG, async || {
        ensure!(pod_of(cluster, name).await?.is_none(), "it is there");
        Ok(began.elapsed())
    })
    .await
}

#[test]
fn kt_50_a_container_stays_alive_after_its_work_for_a_look_inside_and_ends_with_its_code()
-> Result<()> {
    on_node("node::human", async |cluster| {
        let tasks = prepare(cluster).await?;
        let _host = host(cluster, "node::human").await?;
        let script = "echo working; echo notes > /tmp/notes; exit 3";
        run(cluster, "curious", script, Some(15)).await?;
        until_said(cluster, "curious", NOTE).await?;

        // The work has failed, and the container is there.
        let pod = pod_of(cluster, "curious").await?.context("no pod")?;
        ensure!(container(&pod).is_some_and(|state| state.running.is_some()), "{:?}", pod.status);
        ensure!(phase(&tasks.get("curious").await?) == "Running", "the Task ended too early");
        let look = ["exec", "-n", NAMESPACE, &pod.name_any(), "--", "sh", "-c"];
        let seen = cluster.kubectl(&[&look[..], &["cat /tmp/notes; env"]].concat()).await?;
        ensure!(
            seen.contains("notes") && seen.contains("KUBETASK_KEEP_ALIVE_SECONDS=15"),
            "{seen}"
        );

        until_phase(&tasks, "curious", "Failed").await?;
        let pod = pod_of(cluster, "curious").await?.context("no pod")?;
        let ended = container(&pod).and_then(|state| state.terminated.as_ref());
        let ended = ended.with_context(|| format!("it has not ended: {:?}", pod.status))?;
        ensure!(ended.exit_code == 3, "{ended:?}");
        let (began, finished) = (ended.started_at.as_ref(), ended.finished_at.as_ref());
        let (began, finished) = began.zip(finished).context("no times")?;
        let lived = finished.0.duration_since(began.0);
        ensure!(lived.as_secs() >= 14, "it lived for {lived:?} only");
        Ok(())
    })
}

#[test]
fn kubectl_delete_task_stops_the_agent_within_seconds() -> Result<()> {
    on_node("node::stop", async |cluster| {
        let tasks = prepare(cluster).await?;
        let _host = host(cluster, "node::stop").await?;
        let deaf = "trap '' TERM; echo deaf; while true; do sleep 1; done";
        run(cluster, "deaf", deaf, None).await?;
        run(cluster, "asleep", "echo done", Some(3600)).await?;
        let polite = "trap 'echo bye; exit 0' TERM; echo polite; while true; do sleep 0.1; done";
        run(cluster, "polite", polite, None).await?;
        // The garbage collector looks for new kinds every 30 s; from then on it is prompt.
        run(cluster, "first", "echo done", None).await?;
        until_phase(&tasks, "first", "Completed").await?;
        until_stopped(cluster, &tasks, "first").await?;

        for (name, text) in [("deaf", "deaf"), ("asleep", NOTE), ("polite", "polite")] {
            until_said(cluster, name, text).await?;
            let took = until_stopped(cluster, &tasks, name).await?;
            say(&format!("{name}: gone {:.1} s after `kubectl delete task`", took.as_secs_f32()))?;
            // Kubernetes' own grace would be 30 s for those that hear nothing.
            ensure!(took < Duration::from_secs(25), "{name} took {took:?}");
        }
        Ok(())
    })
}
