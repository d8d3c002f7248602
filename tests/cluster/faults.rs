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
use joch_tests::objects::{agent, create, end_pod, greetings, task};
use joch_tests::plan::{Execution, Plan};
use joch_tests::stage::Stage;
use joch_tests::state::{self, State};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::crontask::crontask;
use crate::hello::{greeting, install_kind};

mod plans;

/// What is compared in the end.
const KINDS: [(&str, &str, &str); 6] = [
    ("kubetask.io", "v1alpha1", "Task"),
    ("kubetask.io", "v1alpha1", "CronTask"),
    ("kubetask.io", "v1alpha1", "Agent"),
    ("hello.joch.dev", "v1alpha1", "Greeting"),
    ("batch", "v1", "Job"),
    ("", "v1", "ConfigMap"),
];
/// The Tasks, and whether the Job of each is brought to its end.
const TASKS: [(&str, bool); 3] = [("one", true), ("two", false), ("three", true)];
/// The CronTasks, and how many of their ended Tasks they keep: one is due once, of another the host deletes what
/// it created, a third never runs. A schedule of minutes would make the end a matter of when one looks; this
/// one has times in 2020 and 2025, counted from [`LAST_RUN`], and the next in 2030: a run is missed (an Event),
/// one is due, and its Task has the same name in every case.
const CRONTASKS: [(&str, u32); 3] = [("due", 3), ("brief", 0), (IDLE, 3)];
const IDLE: &str = "idle";
const EVERY: &str = "@every 43800h";
const LAST_RUN: &str = "2016-01-01T00:00:00Z";
/// What they create; the second one goes.
const CREATED: [&str; 2] = ["due-1766966400", "brief-1766966400"];
/// How long nothing may be written before the end is the end: longer than any wait of the host's after the
/// few failures that a plan causes.
const QUIET: Duration = Duration::from_secs(5);
/// Ticks of the engine at which a guest may be seen after its deadline.
const LATE_TICKS: f64 = 2.0;
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
    prepare(&stage).await?;
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
    for resource in ["jobs", "tasks"] {
        let doubled = state::doubled(&entries, resource);
        ensure!(doubled.is_empty(), "{resource}: {doubled:?}");
    }
    let shared = state::shared(&objects);
    ensure!(shared.is_empty(), "two plugins wrote {shared:?}");
    let jobs = objects.iter().filter(|object| object["kind"] == "Job").count();
    ensure!(jobs == TASKS.len() + 1, "{jobs} Jobs");
    ensure!(host.is_alive()?, "the host ended by itself; {}", host.last_words());
    let late = host.most("joch_plugin_late_ticks").await?;
    ensure!(late.is_some(), "nobody tells how late guests were stopped");
    ensure!(late <= Some(LATE_TICKS), "a guest outlived its deadline by {late:?} ticks");
    let state = state::normalised(&objects, &stage.namespace);
    let kills = *execution.kills().borrow();
    Ok(End { state, left: execution.left(), kills })
}

async fn workload(stage: &Stage) -> Result<()> {
    create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
    let tasks = stage.kubetask("Task");
    for (name, _) in TASKS {
        create(&tasks, &task(name)).await?;
    }
    let ending = TASKS.iter().filter(|(_, ends)| *ends).map(|(name, _)| *name);
    for name in ending.chain(CREATED) {
        // The host may be dead meanwhile, and see the Job for the first time when it has ended.
        end_pod(&stage.client, &stage.namespace, &format!("{name}-job"), "Succeeded").await?;
    }
    Ok(())
}

/// What is there before the host is.
async fn prepare(stage: &Stage) -> Result<()> {
    create(&stage.kubetask("Agent"), &agent("default")).await?;
    let api = stage.kubetask("CronTask");
    for (name, keeps) in CRONTASKS {
        let spec = json!({"schedule": EVERY, "suspend": name == IDLE,
            "successfulTasksHistoryLimit": keeps});
        create(&api, &crontask(name, spec)).await?;
        let told = Patch::Merge(json!({"status": {"lastScheduleTime": LAST_RUN}}));
        api.patch_status(name, &PatchParams::default(), &told).await?;
    }
    Ok(())
}

/// Waits until nothing was written for a while, and what is there is what is wanted.
async fn quiet(stage: &Stage, wanted: Option<&State>) -> Result<Vec<Value>> {
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
            let [due, brief] = CREATED;
            ensure!(TASKS.iter().chain(&[(due, true)]).all(ended), "{found:?}");
            let left = [format!("Task {brief}"), format!("Job {brief}-job")];
            ensure!(!left.iter().any(|name| found.contains_key(name)), "{found:?}");
            ensure!(found.contains_key("ConfigMap ada-greeting"), "{found:?}");
        }
        ensure!(now.duration_since(last.1) >= QUIET, "written to a moment ago");
        Ok(objects)
    })
    .await
}

/// Why a plan fails, told of the smallest part of it that still does.
async fn smallest(
    cluster: &Cluster,
    name: &str,
    plan: Plan,
    wanted: &State,
    why: anyhow::Error,
) -> Result<anyhow::Error> {
    let mut tried = 0;
    let fails = async |fewer: &Plan| {
        tried += 1;
        run(cluster, &format!("{name}-less-{tried}"), fewer, Some(wanted)).await.err()
    };
    let (plan, why) = plan.shrunk(why, fails).await;
    let text = serde_json::to_string(&plan)?;
    Ok(why.context(format!("the smallest plan, for faults/regressions.json: {text}")))
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
            let end = match run(cluster, &name, &plan, Some(&wanted)).await {
                Ok(end) => end,
                Err(why) => return Err(smallest(cluster, &name, plan, &wanted, why).await?),
            };
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
