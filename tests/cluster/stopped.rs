//! A guest that is stopped while a write of its is under way: the write goes on, and the object gets no
//! second turn before the answer is known (G1, design decision 14).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use joch_artifact::with_manifest;
use joch_tests::guests::component;
use joch_tests::host::Host;
use joch_tests::objects::{agent, create, task, until_phase};
use joch_tests::proxy::{Action, ApiRequest, Entry};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;

/// How long a call may take.
const WALL: &str = "300ms";
/// How long a write of a ConfigMap takes: longer than the call, its back-off and a second call.
const WRITE: Duration = Duration::from_secs(2);

/// kubetask with less time than its manifest asks for.
fn hurried() -> Result<Vec<u8>> {
    let bytes = component("kubetask")?;
    let manifest = joch_artifact::manifest_text(&bytes)?;
    let shorter = manifest.replace("wall = \"30s\"", &format!("wall = \"{WALL}\""));
    ensure!(shorter != manifest, "the manifest of kubetask no longer says wall = \"30s\"");
    Ok(with_manifest(&bytes, &shorter)?)
}

fn slow(request: &ApiRequest) -> Action {
    if request.is_write() && request.resource == "configmaps" {
        Action::Delay(WRITE)
    } else {
        Action::Pass
    }
}

/// Writes that arrived before the one before them was answered.
fn overlapping(writes: &[Entry]) -> Vec<String> {
    let pairs = writes.iter().zip(writes.iter().skip(1));
    pairs
        .filter(|(first, second)| first.answered.is_none_or(|answered| second.at < answered))
        .map(|(first, second)| {
            format!("{:?} while {:?} was under way", second.request, first.request)
        })
        .collect()
}

#[test]
fn a_write_outlives_its_guest_and_keeps_the_object_locked() -> Result<()> {
    on_cluster("stopped::write", async |cluster| {
        let stage = Stage::with_faults(cluster, "stopped::write", &[], slow).await?;
        stage.plugins.install("kubetask.wasm", &hurried()?)?;
        let mut host = Host::start(stage.options.clone()).await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let mut one = task("one");
        one["spec"]["contexts"] = serde_json::json!([
            {"type": "File", "file": {"filePath": "/workspace/task.md", "source": {"inline": "hello"}}}
        ]);
        create(&stage.kubetask("Task"), &one).await?;
        until_phase(&stage.kubetask("Task"), "one", "Running").await?;
        host.terminate().await?;

        // Told and asked beside the object's own writes.
        let aside = ["events", "selfsubjectaccessreviews"];
        let writes = stage.proxy.record().since(0, |entry| entry.request.is_write());
        let writes: Vec<Entry> = writes
            .into_iter()
            .filter(|entry| !aside.contains(&entry.request.resource.as_str()))
            .collect();
        let stopped = host.log()?.reconciles().concat();
        ensure!(
            stopped.iter().any(|reconcile| reconcile.outcome == "WallLimit"),
            "no guest was stopped, so nothing was shown: {stopped:?}"
        );
        let overlapping = overlapping(&writes);
        ensure!(overlapping.is_empty(), "{overlapping:?}");
        let posts = stage.proxy.record().posts("jobs", &stage.namespace);
        ensure!(posts == 1, "{posts} Job POSTs");
        writes.first().context("no write passed the proxy").map(drop)
    })
}
