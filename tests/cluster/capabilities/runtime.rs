//! `status`, `events`, `log` and `config`: what concerns the guest's own object and itself.

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::{Host, Line};
use joch_tests::puppet::{self, Puppet};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::json;

#[test]
fn a_status_is_reported_refused_and_bounded() -> Result<()> {
    on_cluster("capabilities::status", async |cluster| {
        let bound = ("[limits]", "[limits]\napi-per-reconcile = 2");
        let stage = puppet::stage(cluster, "capabilities::status", &[bound]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let report = |message: &str| json!({"report": {"status": {"message": message}}});
        let run = puppet
            .plays(
                &host,
                json!([
                    report("a"),
                    {"report": {"status": []}},
                    {"report": {"status": {"conditions": [{"type": "Ready", "status": "Maybe"}]}}},
                    {"report": {"status": {"phase": 5}}},
                    report("b"),
                ]),
            )
            .await?;
        ensure!(run.answer(0)? == "written", "{run:?}");
        ensure!(run.refusal(1)?.0 == "invalid" && run.refusal(2)?.0 == "invalid", "{run:?}");
        let (error, text) = run.refusal(3)?;
        ensure!(error == "invalid" && text.contains("phase"), "the API server's reason: {run:?}");
        let (error, text) = run.refusal(4)?;
        ensure!(error == "overLimit" && text.contains("api-per-reconcile"), "{run:?}");
        Ok(())
    })
}

#[test]
fn a_plugin_that_may_not_write_status_is_not_loaded() -> Result<()> {
    on_cluster("capabilities::status_denied", async |cluster| {
        let mut stage = puppet::stage(cluster, "capabilities::status_denied", &[]).await?;
        "grants = 1\n".clone_into(&mut stage.options.grants);
        let host = Host::start(stage.options.clone()).await?;
        let overview = host.plugins().await?;
        let refused = overview.file("puppet.wasm").and_then(|file| file.refused.clone());
        let reason = refused.context("it was not refused")?.reason;
        for part in ["patch", "Puppet", "status", "jobs"] {
            ensure!(reason.contains(part), "{part:?} is not in {reason:?}");
        }
        Ok(())
    })
}

#[test]
fn events_are_published_refused_and_cut() -> Result<()> {
    on_cluster("capabilities::events", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::events", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let event = |reason: &str, length: u32| json!({"event": {"reason": reason, "message": "m", "level": "Warning", "length": length}});
        let long = "A".repeat(129);
        let run = puppet
            .plays(
                &host,
                json!([
                    event("Told", 1),
                    event("Long", 5000),
                    event("no word", 1),
                    event(&long, 1)
                ]),
            )
            .await?;
        ensure!(run.step(0)?.ok && run.step(1)?.ok, "{run:?}");
        ensure!(run.refusal(2)?.0 == "invalid" && run.refusal(3)?.0 == "invalid", "{run:?}");
        let uid = puppet.object().await?.metadata.uid;
        let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
        eventually("both are there", LONG, async || {
            let all = events.list(&ListParams::default()).await?.items;
            let own: Vec<_> = all.iter().filter(|e| e.involved_object.uid == uid).collect();
            let by = |reason: &str| own.iter().find(|e| e.reason.as_deref() == Some(reason));
            ensure!(own.len() == 2, "{own:?}");
            let told = by("Told").context("no Told")?;
            ensure!(told.type_.as_deref() == Some("Warning"), "{told:?}");
            let long = by("Long").and_then(|event| event.message.clone()).context("no Long")?;
            ensure!(long.len() == 1024, "{} bytes", long.len());
            Ok(())
        })
        .await
    })
}

#[test]
fn log_lines_are_written_filtered_cut_and_bounded() -> Result<()> {
    on_cluster("capabilities::log", async |cluster| {
        let bound = ("log-lines = 1000", "log-lines = 6");
        let mut stage = puppet::stage(cluster, "capabilities::log", &[bound]).await?;
        "debug,guest=info".clone_into(&mut stage.options.log_level);
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let fields: serde_json::Map<_, _> =
            (0..20).map(|n| (format!("key{n:02}"), json!("v\" other=\"x"))).collect();
        // The line `begin` and one for each step count as well.
        let script = json!([
            {"log": {"level": "warn", "message": "kept line", "fields": fields}},
            {"log": {"level": "debug", "message": "filtered line"}},
            {"log": {"message": "long line.", "length": 9000, "lines": 10}},
        ]);
        puppet.plays(&host, script).await?;
        let log = host.log()?;
        let lines =
            |text: &str| log.lines().filter(|l| l.message().contains(text)).collect::<Vec<_>>();
        let kept = lines("kept line");
        ensure!(kept.len() == 1, "{kept:?}");
        ensure!(
            kept[0].level() == "WARN" && kept[0].text("target").as_deref() == Some("guest"),
            "{kept:?}"
        );
        let told = kept[0].text("fields").context("no fields")?;
        ensure!(told.matches("key").count() == 16 && told.contains("v\\\" other=\\\"x"), "{told}");
        ensure!(lines("filtered line").is_empty(), "a level that is off was written");
        let long: Vec<usize> = lines("long line").iter().map(|line| line.message().len()).collect();
        ensure!(!long.is_empty() && long.len() < 10 && long.iter().all(|l| *l == 8192), "{long:?}");
        let dropped = |line: &&Line| line.mentions("beyond the limit were dropped");
        ensure!(log.lines().any(|line| dropped(&line)), "what was dropped is not counted");
        Ok(())
    })
}

#[test]
fn settings_are_handed_out_and_those_that_are_none_or_too_large_are_refused() -> Result<()> {
    on_cluster("capabilities::config", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::config", &[]).await?;
        let settings = |text: &[u8]| stage.plugins.install("puppet.config.json", text);
        settings(br#"{"colour": "blue"}"#)?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let run = puppet.plays(&host, json!([{"config": {}}])).await?;
        ensure!(run.answer(0)? == &json!({"colour": "blue"}), "{run:?}");

        let large = format!(r#"{{"pad": "{}"}}"#, "x".repeat(2 << 20));
        for wrong in [&b"[1, 2]"[..], large.as_bytes()] {
            settings(wrong)?;
            let refused = |overview: &joch_tests::host::Overview| {
                overview.file("puppet.wasm").is_some_and(|file| file.refused.is_some())
            };
            host.shows("the settings are refused", refused).await?;
            let run = puppet.plays(&host, json!([{"config": {}}])).await?;
            ensure!(run.answer(0)? == &json!({"colour": "blue"}), "the ones before stay: {run:?}");
            settings(br#"{"colour": "blue"}"#)?;
            host.shows("they are good again", |overview| !refused(overview)).await?;
        }
        Ok(())
    })
}
