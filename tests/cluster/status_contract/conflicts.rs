//! Other writers, and a cache that lags behind them.

use std::time::Duration;

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::proxy::{Action, ApiRequest, Faults};
use joch_tests::puppet::{self, Puppet, runs};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{report, reported, status_writes};

/// A watch that brings nothing within the time of a test.
const NEVER: Duration = Duration::from_secs(3600);

async fn patch_status(puppet: &Puppet, status: Value) -> Result<()> {
    let patch = Patch::Merge(json!({ "status": status }));
    puppet.api.patch_status(&puppet.name, &PatchParams::default(), &patch).await?;
    Ok(())
}

#[test]
fn sc_04_12_a_conflict_is_computed_anew_and_keeps_the_start() -> Result<()> {
    on_cluster("status_contract::sc_12_conflict", async |cluster| {
        let refused = Faults::default();
        let left = refused.clone();
        let inject = move |request: &ApiRequest| {
            let refuse = request.writes_status_of("puppets") && left.take();
            if refuse { Action::Status(409) } else { Action::Pass }
        };
        let test = "status_contract::sc_12_conflict";
        let stage = Stage::with_faults(cluster, test, &["puppet"], inject).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        refused.set(2);
        let running = reported(&host, &puppet, json!({"phase": "Running"})).await?;
        ensure!(refused.are_over(), "nothing was refused, so nothing was shown");
        refused.set(2);
        let ended = reported(&host, &puppet, json!({"phase": "Succeeded"})).await?;
        ensure!(ended["startedAt"] == running["startedAt"], "{running} became {ended}");

        // Somebody who always wins costs tries, not for ever.
        refused.set(u32::MAX);
        let mark = stage.proxy.record().mark();
        let run = report(&host, &puppet, json!({"message": "late"})).await?;
        ensure!(run.refusal(0)?.0 == "stale", "{run:?}");
        let tries = status_writes(&stage, "puppets", "p", mark).len();
        ensure!((2..=8).contains(&tries), "{tries} tries");
        Ok(())
    })
}

#[test]
fn sc_12_a_stale_cache_overwrites_nothing() -> Result<()> {
    on_cluster("status_contract::sc_12_stale", async |cluster| {
        let frozen = |request: &ApiRequest| match request {
            request if request.is_watch() && request.resource == "puppets" => Action::Delay(NEVER),
            _ => Action::Pass,
        };
        let test = "status_contract::sc_12_stale";
        let stage = Stage::with_faults(cluster, test, &["puppet"], frozen).await?;
        // Two reports that differ: each reconcile writes, and its own writes have it repeated.
        let script = json!([
            {"report": {"status": {"phase": "Running", "message": "a"}}},
            {"report": {"status": {"phase": "Running", "message": "b"}}},
        ]);
        let one = Puppet::create(&stage, "Puppet", "one", script.clone()).await?;
        let two = Puppet::create(&stage, "Puppet", "two", script).await?;
        let host = Host::start(stage.options.clone()).await?;
        for puppet in [&one, &two] {
            puppet.played(&host, 1).await?;
        }
        let started = one.status().await?["startedAt"].clone();
        // The second writer: a count that is not the plugin's, and an end. Only a conflict tells of it.
        patch_status(&one, json!({"counts": {"cost": 3}})).await?;
        patch_status(&two, json!({"phase": "Succeeded", "message": "by another"})).await?;
        for name in ["one", "two"] {
            eventually(&format!("a stale write to {name} was refused"), LONG, async || {
                let writes = status_writes(&stage, "puppets", name, 0);
                ensure!(
                    writes.iter().any(|entry| entry.code == Some(409)),
                    "{} writes",
                    writes.len()
                );
                Ok(())
            })
            .await?;
        }
        eventually("the report about one was written after all", LONG, async || {
            let writes = status_writes(&stage, "puppets", "one", 0);
            let refused = writes.iter().position(|entry| entry.code == Some(409));
            let after = refused.and_then(|place| writes.get(place..)).unwrap_or_default();
            ensure!(after.iter().any(joch_tests::proxy::Entry::succeeded), "not yet");
            Ok(())
        })
        .await?;
        let (one, two) = (one.status().await?, two.status().await?);
        ensure!(one["counts"]["cost"] == 3 && one["startedAt"] == started, "{one}");
        ensure!(two["phase"] == "Succeeded" && two["message"] == "by another", "{two}");
        Ok(())
    })
}

#[test]
fn sc_12_two_writers_lose_nothing_of_each_other() -> Result<()> {
    on_cluster("status_contract::sc_12_two", async |cluster| {
        let stage = puppet::stage(cluster, "status_contract::sc_12_two", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        // Each may take four tries of two calls, and all of them are within `api-per-reconcile`.
        let reports: Vec<Value> = (0..5)
            .map(|n| json!({"report": {"status": {"phase": "Running", "message": n.to_string()}}}))
            .collect();
        let generation = puppet.edit(json!(reports)).await?;
        let mut cost = 0;
        let run = loop {
            cost += 1;
            patch_status(&puppet, json!({"counts": {"cost": cost}})).await?;
            let runs = runs(&host.log()?, "p");
            let finished =
                |run: &puppet::Run| run.outcome.is_some() && run.generation == generation;
            if let Some(run) = runs.into_iter().find(finished) {
                break run;
            }
            ensure!(cost < 5000, "the reports do not end");
        };
        // A report that met a conflict at each try is refused as that.
        ensure!(run.steps.iter().all(|step| step.ok || step.error == "stale"), "{run:?}");
        ensure!(run.steps.iter().any(|step| step.ok), "no report was written: {run:?}");
        let started = puppet.status().await?["startedAt"].clone();
        let status = reported(&host, &puppet, json!({"message": "last"})).await?;
        ensure!(status["counts"]["cost"] == cost && status["message"] == "last", "{status}");
        ensure!(started.is_string() && status["startedAt"] == started, "{status}");
        Ok(())
    })
}
