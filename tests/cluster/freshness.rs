//! Watches that lag and watches that stall: a controller reads its own writes, misses are confirmed, nothing
//! is made twice (G7), and silence is noticed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use joch_artifact::{manifest_text, with_manifest};
use joch_tests::guests::component;
use joch_tests::host::Host;
use joch_tests::objects::{agent, create, end_pod, task, touch, until_phase};
use joch_tests::paths;
use joch_tests::plan::{Call, Effect, Execution, Fault, Plan};
use joch_tests::plugin_objects::{plugin, plugins, put_in_map};
use joch_tests::proxy::{Action, ApiRequest, Disturbance, Faults};
use joch_tests::stage::Stage;
use joch_tests::state;
use joch_tests::suite::{on_bare_cluster, on_cluster};
use joch_tests::wait::{LONG, eventually};
use serde_json::json;

use crate::hello::install_kind;

/// How far the watches are behind.
const LAG: Duration = Duration::from_secs(3);

fn behind(request: &ApiRequest) -> Action {
    // The primaries' own watch is in time, or nothing would be reconciled meanwhile.
    if request.is_watch() && request.resource != "tasks" {
        Action::Watch(Disturbance::Hold(LAG))
    } else {
        Action::Pass
    }
}

#[test]
fn with_watches_behind_by_seconds_nothing_is_made_twice_and_no_status_is_wrong() -> Result<()> {
    on_cluster("freshness::behind", async |cluster| {
        let test = "freshness::behind";
        let stage = Stage::with_faults(cluster, test, &["kubetask"], behind).await?;
        let host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        let key = |name: &str| format!("Task {}/{name}", stage.namespace);
        let names = ["one", "two", "three"];
        for name in names {
            create(&tasks, &task(name)).await?;
        }
        // Within the lag: the Agent and the own Job are known by reading, not by a watch.
        for name in names {
            until_phase(&tasks, name, "Running").await?;
            let before = host.log()?.finished(&key(name));
            touch(&tasks, name, "while the watch is behind").await?;
            eventually("it is reconciled again", LONG, async || {
                ensure!(host.log()?.finished(&key(name)) > before, "not yet");
                Ok(())
            })
            .await?;
        }
        end_pod(&stage.client, &stage.namespace, "one-job", "Succeeded").await?;
        until_phase(&tasks, "one", "Completed").await?;

        let entries = stage.proxy.record().entries();
        let doubled = state::doubled(&entries, "jobs");
        ensure!(doubled.is_empty(), "{doubled:?}");
        // The overlay knows the Jobs: they are not even asked to be made again.
        let posts = stage.proxy.record().posts("jobs", &stage.namespace);
        ensure!(posts == names.len(), "{posts} POSTs");
        // Nor is any of them read live: a miss would be confirmed, and hide that a write was not learnt.
        let read: Vec<_> = { entries.iter() }
            .filter(|it| {
                it.request.verb == "get" && it.request.resource == "jobs" && it.succeeded()
            })
            .collect();
        ensure!(read.is_empty(), "own Jobs were read live: {read:?}");
        let confirmed = entries.iter().any(|entry| {
            entry.request.verb == "get" && entry.request.resource == "agents" && entry.succeeded()
        });
        ensure!(confirmed, "the Agent, which no watch had brought, was not read live");
        let phases = { entries.iter() }
            .filter(|entry| entry.request.writes_status_of("tasks"))
            .filter_map(|entry| entry.body.pointer("/status/phase")?.as_str());
        let wrong: Vec<&str> =
            phases.filter(|phase| !["Running", "Completed"].contains(phase)).collect();
        ensure!(wrong.is_empty(), "phases on the way: {wrong:?}");
        Ok(())
    })
}

#[test]
fn a_stalled_watch_is_noticed_by_its_silence_and_taken_up_again() -> Result<()> {
    on_cluster("freshness::stalled", async |cluster| {
        let stall = Effect::Call(Action::Watch(Disturbance::Stall));
        let call = Call::new("watch", "tasks", None, 1);
        let execution = Arc::new(Execution::new(Plan(vec![Fault { call, effect: stall }])));
        let carried = execution.clone();
        let inject = move |request: &_| carried.act(request, Instant::now());
        let test = "freshness::stalled";
        let mut stage = Stage::with_faults(cluster, test, &["kubetask"], inject).await?;
        stage.options.flags = ["--watch-stall", "2s"].map(str::to_owned).into();
        let host = Host::start(stage.options.clone()).await?;
        eventually("the watch is open and silent", LONG, async || {
            ensure!(execution.left() == Plan::default(), "not yet");
            Ok(())
        })
        .await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        create(&stage.kubetask("Task"), &task("one")).await?;
        until_phase(&stage.kubetask("Task"), "one", "Running").await?;
        let (_, metrics) = host.page("/metrics").await?;
        let counted = "joch_watch_interruptions_total{reason=\"stalled\"}";
        ensure!(metrics.contains(counted), "not counted: {metrics}");
        let told = host.log()?;
        let told = { told.lines() }.any(|line| line.mentions("a watch has been silent for long"));
        ensure!(told, "not told; {}", host.last_words());
        Ok(())
    })
}

#[test]
fn a_stalled_watch_of_a_component_in_a_config_map_is_taken_up_again() -> Result<()> {
    on_bare_cluster("freshness::feed", async |cluster| {
        let stalls = Faults::default();
        stalls.set(1);
        let left = stalls.clone();
        // What the plugin itself watches is in another namespace.
        let inject = move |request: &ApiRequest| {
            let place = request.namespace.as_deref().unwrap_or_default();
            let feed = request.is_watch() && place.starts_with("freshness-");
            if feed && left.take() { Action::Watch(Disturbance::Stall) } else { Action::Pass }
        };
        cluster.apply(&paths::root().join("crds"), None).await?;
        install_kind(cluster).await?;
        let mut stage = Stage::with_faults(cluster, "freshness::feed", &[], inject).await?;
        stage.options.plugin_objects = true;
        stage.options.flags = ["--watch-stall", "2s"].map(str::to_owned).into();
        stage.options.namespaces = vec![cluster.namespace("elsewhere").await?];
        let old = component("hello-controller")?;
        let text = manifest_text(&old)?;
        let new = with_manifest(&old, &text.replacen("version = \"", "version = \"9", 1))?;
        ensure!(new != old, "the manifest has no version");
        put_in_map(&stage, "code", "hello.wasm", &old).await?;
        let host = stage.host().await?;
        let source = json!({"configMap": {"namespace": stage.namespace, "name": "code", "key": "hello.wasm"}});
        let all = plugins(stage.client.clone());
        create(&all, &plugin("hello-controller", &source)).await?;
        host.runs("hello-controller", &old).await?;
        eventually("the watch is open and silent", LONG, async || {
            ensure!(stalls.are_over(), "not yet");
            Ok(())
        })
        .await?;
        put_in_map(&stage, "code", "hello.wasm", &new).await?;
        host.runs("hello-controller", &new).await
    })
}
