//! The property: for every finite plan of faults and every point where the host is killed, what is there in
//! the end is what is there without faults, no Job is made twice, and no object is written by two plugins.
//!
//! A plan that was found to fail goes into `faults/regressions.json`, and is run first from then on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use joch_tests::cluster::Cluster;
use joch_tests::host::Host;
use joch_tests::objects::{agent, create, end_pod, greetings, task, until_phase};
use joch_tests::plan::{Execution, Plan};
use joch_tests::stage::Stage;
use joch_tests::state::{self, State};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};

use crate::hello::{greeting, install_kind};

mod plans;

/// What is compared in the end.
const KINDS: [(&str, &str, &str); 5] = [
    ("kubetask.io", "v1alpha1", "Task"),
    ("kubetask.io", "v1alpha1", "Agent"),
    ("hello.joch.dev", "v1alpha1", "Greeting"),
    ("batch", "v1", "Job"),
    ("", "v1", "ConfigMap"),
];
/// The Tasks, and whether the Job of each is brought to its end.
const TASKS: [(&str, bool); 3] = [("one", true), ("two", false), ("three", true)];
/// How long nothing may be written before the end is the end: longer than any wait of the host's after the
/// few failures that a plan causes.
const QUIET: Duration = Duration::from_secs(3);
/// How many cases are under way at once.
const AT_ONCE: usize = 4;

/// What a case came to.
struct End {
    state: State,
    left: Plan,
    kills: usize,
}

/// Runs the workload under a plan until it is quiet; with `wanted`, until that is what is there.
async fn run(cluster: &Cluster, name: &str, plan: &Plan, wanted: Option<&State>) -> Result<End> {
    let execution = Arc::new(Execution::new(plan.clone()));
    let carried = execution.clone();
    let inject = move |request: &_| carried.act(request, Instant::now());
    let plugins = ["kubetask", "hello-controller"];
    let stage = Stage::with_faults(cluster, name, &plugins, inject).await?;
    let mut host = Host::spawn(stage.options.clone())?;
    let mut kills = execution.kills();
    let play = async {
        workload(&stage).await?;
        quiet(&stage, wanted).await
    };
    let objects = {
        let mut play = std::pin::pin!(play);
        loop {
            tokio::select! {
                objects = &mut play => break objects.with_context(|| host.last_words())?,
                killed = kills.changed() => {
                    killed?;
                    host.kill()?;
                    host.respawn()?;
                }
            }
        }
    };
    let entries = stage.proxy.record().entries();
    let doubled = state::doubled(&entries, "jobs");
    ensure!(doubled.is_empty(), "{doubled:?}");
    let shared = state::shared(&objects);
    ensure!(shared.is_empty(), "two plugins wrote {shared:?}");
    let jobs = objects.iter().filter(|object| object["kind"] == "Job").count();
    ensure!(jobs == TASKS.len(), "{jobs} Jobs");
    ensure!(host.is_alive()?, "the host ended by itself; {}", host.last_words());
    let state = state::normalised(&objects, &stage.namespace);
    let kills = *execution.kills().borrow();
    Ok(End { state, left: execution.left(), kills })
}

async fn workload(stage: &Stage) -> Result<()> {
    create(&stage.kubetask("Agent"), &agent("default")).await?;
    create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
    let tasks = stage.kubetask("Task");
    for (name, _) in TASKS {
        create(&tasks, &task(name)).await?;
    }
    for (name, _) in TASKS.iter().filter(|(_, ends)| *ends) {
        // What the world does is the same in every case: a Job that ended before anybody saw it run has no
        // start (SC-8), which would be another story.
        until_phase(&tasks, name, "Running").await?;
        end_pod(&stage.client, &stage.namespace, &format!("{name}-job"), "Succeeded").await?;
    }
    Ok(())
}

/// Waits until nothing was written for a while, and what is there is what is wanted.
async fn quiet(stage: &Stage, wanted: Option<&State>) -> Result<Vec<serde_json::Value>> {
    let mut last = (0, Instant::now());
    eventually("all is quiet and as it is without faults", LONG, async || {
        let writes = |entry: &_| {
            let joch_tests::proxy::Entry { request, .. } = entry;
            request.is_write() && request.namespace.as_deref() == Some(&stage.namespace)
        };
        let objects = state::read(&stage.client, &stage.namespace, &KINDS).await?;
        let (count, now) = (stage.proxy.record().since(0, writes).len(), Instant::now());
        if count != last.0 {
            last = (count, now);
        }
        let found = state::normalised(&objects, &stage.namespace);
        if let Some(wanted) = wanted {
            let differences = state::differences(wanted, &found);
            ensure!(differences.is_empty(), "{}", differences.join("\n"));
        } else {
            let ended = |(name, ends): &(&str, bool)| {
                let phase = if *ends { "Completed" } else { "Running" };
                let task = found.get(&format!("Task {name}"));
                task.and_then(|task| task.pointer("/status/phase")?.as_str()) == Some(phase)
            };
            ensure!(TASKS.iter().all(ended), "{found:?}");
            ensure!(found.contains_key("ConfigMap ada-greeting"), "{found:?}");
        }
        ensure!(now.duration_since(last.1) >= QUIET, "written to a moment ago");
        Ok(objects)
    })
    .await
}

#[test]
fn every_plan_ends_as_if_there_were_no_faults() -> Result<()> {
    on_cluster("faults::property", async |cluster| {
        install_kind(cluster).await?;
        let wanted = run(cluster, "faults::fault-free", &Plan::default(), None).await?.state;
        let plans = plans::all()?;
        let total = plans.len();
        let cases = futures::stream::iter(plans.into_iter().enumerate()).map(async |(n, plan)| {
            let name = format!("faults::case-{n}");
            let end = run(cluster, &name, &plan, Some(&wanted)).await;
            let text = serde_json::to_string(&plan)?;
            let end =
                end.with_context(|| format!("the plan, for faults/regressions.json: {text}"))?;
            anyhow::Ok((plan.0.len() - end.left.0.len(), end.kills))
        });
        let ends: Vec<Result<_>> = cases.buffer_unordered(AT_ONCE).collect().await;
        let ends = ends.into_iter().collect::<Result<Vec<(usize, usize)>>>()?;
        let faults: usize = ends.iter().map(|(came, _)| came).sum();
        let kills: usize = ends.iter().map(|(_, kills)| kills).sum();
        joch_tests::suite::say(&format!("faults: {total} plans, {faults} faults, {kills} kills"))?;
        ensure!(kills >= plans::KILLS, "{kills} kills only");
        Ok(())
    })
}
