//! What one guest may and may not say about its object.

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use joch_tests::host::Host;
use joch_tests::objects::touch;
use joch_tests::puppet::{self, Puppet, runs};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{condition, report, reported, state, status_writes};

fn time(status: &Value, field: &str) -> Result<Timestamp> {
    let text = status[field].as_str().with_context(|| format!("no {field} in {status}"))?;
    Ok(text.parse()?)
}

#[test]
fn sc_01_02_03_a_status_has_generation_and_time_and_is_written_only_when_it_changes() -> Result<()>
{
    on_cluster("status_contract::sc_01", async |cluster| {
        let stage = puppet::stage(cluster, "status_contract::sc_01", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let script = json!([{"report": {"status": {"phase": "Pending"}}}]);
        let puppet = Puppet::create(&stage, "Puppet", "p", script).await?;
        puppet.played(&host, 1).await?;
        let first = puppet.status().await?;
        ensure!(first["observedGeneration"] == 1 && first["phase"] == "Pending", "{first}");
        ensure!(time(&first, "updatedAt")? <= Timestamp::now(), "{first}");

        // SC-2: the same again, several times, then woken by a change of something else.
        let mark = stage.proxy.record().mark();
        let again = json!([{"report": {"status": {"phase": "Waiting"}}, "times": 5}]);
        let run = puppet.plays(&host, again).await?;
        let before = runs(&host.log()?, "p").len();
        touch(&puppet.api, "p", "once").await?;
        eventually("it is reconciled once more", LONG, async || {
            ensure!(runs(&host.log()?, "p").len() > before, "not yet");
            Ok(())
        })
        .await?;
        let answers: Vec<_> = run.steps.iter().map(|step| step.answer.clone()).collect();
        ensure!(
            answers[0] == "written" && answers[1..].iter().all(|a| a == "unchanged"),
            "{run:?}"
        );
        let writes = status_writes(&stage, "puppets", "p", mark);
        ensure!(writes.len() == 1, "{writes:?}");

        // SC-3.
        let second = puppet.status().await?;
        ensure!(time(&second, "updatedAt")? >= time(&first, "updatedAt")?, "{first} {second}");
        ensure!(time(&second, "updatedAt")? <= Timestamp::now(), "{second}");
        ensure!(second["observedGeneration"] == 2, "{second}");

        // A status that is gone, and a report that is none.
        let none = Patch::Merge(json!({ "status": null }));
        puppet.api.patch_status("p", &PatchParams::default(), &none).await?;
        let run = report(&host, &puppet, json!("$null")).await?;
        ensure!(run.refusal(0)?.0 == "invalid", "{run:?}");
        let third = reported(&host, &puppet, json!({"phase": "Pending", "message": "m"})).await?;
        ensure!(third["observedGeneration"] == 4 && third["message"] == "m", "{third}");
        let fourth = reported(&host, &puppet, json!({ "message": "$null" })).await?;
        ensure!(fourth.get("message").is_none() && fourth["phase"] == "Pending", "{fourth}");
        Ok(())
    })
}

#[test]
fn sc_04_05_06_08_18_times_are_set_once_and_survive_omission_and_a_restart() -> Result<()> {
    on_cluster("status_contract::sc_04", async |cluster| {
        let stage = puppet::stage(cluster, "status_contract::sc_04", &[]).await?;
        let mut host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let running = reported(&host, &puppet, json!({"phase": "Running"})).await?;
        let started = running["startedAt"].clone();
        ensure!(started.is_string() && running["startTime"] == started, "SC-18: {running}");
        ensure!(running.get("finishedAt").is_none(), "{running}");
        let queued = reported(&host, &puppet, json!({"phase": "Queued"})).await?;
        ensure!(queued["startedAt"] == started, "SC-6: {queued}");

        host.kill()?;
        host.restart().await?;
        let again = reported(&host, &puppet, json!({"phase": "Running"})).await?;
        ensure!(again["startedAt"] == started && again["startTime"] == started, "SC-4: {again}");
        let ended = reported(&host, &puppet, json!({"phase": "Cancelled"})).await?;
        ensure!(ended["startedAt"] == started, "SC-6: {ended}");
        ensure!(ended["finishedAt"].is_string(), "SC-5: {ended}");
        ensure!(ended["completionTime"] == ended["finishedAt"], "SC-18: {ended}");
        ensure!(time(&ended, "finishedAt")? >= time(&ended, "startedAt")?, "{ended}");

        // From nothing to its end in one step.
        let other = Puppet::new(&stage, "q").await?;
        let failed = reported(&host, &other, json!({"phase": "Failed"})).await?;
        ensure!(failed["finishedAt"].is_string(), "SC-5: {failed}");
        ensure!(failed.get("startedAt").is_none(), "SC-8: {failed}");
        Ok(())
    })
}

#[test]
fn sc_07_times_that_the_plugin_changes_or_clears_are_kept_counted_and_told_once() -> Result<()> {
    on_cluster("status_contract::sc_07", async |cluster| {
        let stage = puppet::stage(cluster, "status_contract::sc_07", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let running = reported(&host, &puppet, json!({"phase": "Running"})).await?;
        let (_, quiet) = host.page("/metrics").await?;
        let metric = "joch_plugin_status_overruled_total{plugin=\"puppet\"}";
        ensure!(!quiet.contains(metric), "counted without a reason: {quiet}");
        let script = json!([
            {"report": {"status": {"startedAt": "2001-01-01T00:00:00Z", "message": "changed"}}},
            {"report": {"status": {"startedAt": "$null", "startTime": "$null", "message": "cleared"}}},
            {"report": {"status": {"startedAt": "2001-01-01T00:00:00Z", "startTime": "2001-01-01T00:00:00Z", "message": "both"}}},
        ]);
        puppet.plays(&host, script).await?;
        let status = puppet.status().await?;
        for field in ["startedAt", "startTime"] {
            ensure!(status[field] == running[field], "{field}: {running} became {status}");
        }
        let (_, metrics) = host.page("/metrics").await?;
        let counted = metrics.lines().find_map(|line| line.strip_prefix(metric));
        let counted: u32 = counted.context("not counted")?.trim().parse()?;
        ensure!(counted >= 3, "{counted} of 3 reports counted");

        let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let told = async || {
            let all = events.list(&ListParams::default()).await?.items;
            let told = all.into_iter().filter(|e| e.reason.as_deref() == Some("StatusOverruled"));
            let messages: Vec<_> = told.filter_map(|event| event.message).collect();
            ensure!(messages.iter().any(|text| text.contains("startedAt")), "{messages:?}");
            Ok(messages)
        };
        let messages = eventually("the Warning is there", LONG, told).await?;
        // One for each field; the second is counted with the first if that was there before it. The script
        // repeats itself, so every report told would be many more.
        ensure!(messages.len() <= 2, "{messages:?}");
        // The log names each field once.
        let log = host.log()?;
        let named = log.lines().filter(|line| line.message().contains("otherwise than the status"));
        let named: Vec<_> = named.map(joch_tests::host::Line::message).collect();
        ensure!(
            matches!(&*named, [one, two] if one.contains("startedAt") && two.contains("startTime")),
            "{named:?}"
        );
        Ok(())
    })
}

#[test]
fn sc_09_10_11_a_status_claims_only_the_generation_that_it_speaks_of() -> Result<()> {
    on_cluster("status_contract::sc_09", async |cluster| {
        let stage = puppet::stage(cluster, "status_contract::sc_09", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let observed = |status: &Value| status["observedGeneration"].as_i64().unwrap_or_default();

        // SC-10: a verdict about the new spec, and SC-11: none.
        let not_ready = json!({"conditions": [condition("Ready", "False")]});
        let fail = json!({"fail": {"permanent": true, "reason": "InvalidSpec", "message": "m"}});
        puppet.plays(&host, json!([{"report": {"status": not_ready}}, fail])).await?;
        let invalid = puppet.status().await?;
        ensure!(observed(&invalid) == 2, "SC-10: {invalid}");
        ensure!(invalid["conditions"][0]["observedGeneration"] == 2, "SC-10: {invalid}");
        let run = puppet.plays(&host, json!([fail])).await?;
        ensure!(run.outcome.as_deref() == Some("Permanent") && run.generation == 3, "{run:?}");
        ensure!(puppet.status().await? == invalid, "SC-11: {:?}", puppet.status().await?);

        // SC-9: work keeps the generation that it was begun with, to its end.
        let begun = reported(&host, &puppet, json!({"phase": "Running"})).await?;
        ensure!(observed(&begun) == 4, "{begun}");
        let edited = reported(&host, &puppet, json!({"message": "still the old work"})).await?;
        ensure!(observed(&edited) == 4, "SC-9: {edited}");
        let claim =
            json!([{"report": {"status": {"message": "a claim"}, "observedGeneration": 6}}]);
        puppet.plays(&host, claim).await?;
        ensure!(observed(&puppet.status().await?) == 4, "SC-9: {:?}", puppet.status().await?);
        let ignored = json!({"conditions": [condition("SpecChangeIgnored", "True")]});
        let told = reported(&host, &puppet, ignored).await?;
        ensure!(observed(&told) == 7, "SC-9: {told}");
        let ended = reported(&host, &puppet, json!({"phase": "Succeeded"})).await?;
        ensure!(observed(&ended) == 7, "SC-9: {ended}");
        Ok(())
    })
}

#[test]
fn sc_13_14_one_end_stands_and_is_never_left() -> Result<()> {
    on_cluster("status_contract::sc_13", async |cluster| {
        let stage = puppet::stage(cluster, "status_contract::sc_13", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let first = json!({"phase": "Running", "conditions": [
            condition("InProgress", "True"), condition("Failed", "True"), condition("Ready", "True"),
        ]});
        let running = reported(&host, &puppet, first).await?;
        let ready = running["conditions"][2].clone();
        ensure!(ready["lastTransitionTime"].is_string(), "{running}");
        let end = json!({"phase": "Succeeded", "counts": {"pods": 1},
            "conditions": [condition("Succeeded", "True")]});
        let ended = reported(&host, &puppet, end.clone()).await?;
        for (kind, expected) in
            [("Succeeded", "True"), ("Failed", "False"), ("InProgress", "False"), ("Ready", "True")]
        {
            ensure!(state(&ended, kind) == expected, "SC-13: {kind} in {ended}");
        }
        ensure!(ended["conditions"][2] == ready, "SC-13: {ready} moved: {ended}");

        let mark = stage.proxy.record().mark();
        let script = json!([
            {"report": {"status": {"phase": "Running"}}},
            {"report": {"status": {"counts": {"pods": 2}}}},
            {"report": {"status": {"conditions": [condition("Failed", "True")]}}},
            {"report": {"status": end}},
        ]);
        let run = puppet.plays(&host, script).await?;
        for step in 0..3 {
            let newest = run.answer(step)?.get("superseded").cloned().unwrap_or_default();
            ensure!(newest["status"]["phase"] == "Succeeded", "SC-14: step {step} of {run:?}");
        }
        ensure!(run.answer(3)? == "unchanged", "{run:?}");
        let writes = status_writes(&stage, "puppets", "p", mark);
        ensure!(writes.is_empty(), "SC-14: {writes:?}");
        ensure!(puppet.status().await? == ended, "SC-14: {:?}", puppet.status().await?);
        Ok(())
    })
}
