//! Several controllers in one component, several kinds of one controller, and one controller per kind.

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::puppet::{self, Puppet};
use joch_tests::suite::on_cluster;
use serde_json::json;

/// The second controller of the fixture's manifest.
const DOLL: &str = "[[controller]]\nname = \"doll\"\nprimary = { group = \"test.joch.dev\", version = \"v1alpha1\", kind = \"Doll\" }\n";
/// The second kind of its first one.
const ALSO: &str =
    "also = [{ group = \"test.joch.dev\", version = \"v1alpha1\", kind = \"Marionette\" }]\n";

#[test]
fn each_kind_is_reconciled_by_the_controller_that_names_it() -> Result<()> {
    on_cluster("controllers::kinds", async |cluster| {
        let stage = puppet::stage(cluster, "controllers::kinds", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let script = json!([{"report": {"status": {"phase": "Seen"}}}]);
        for (kind, controller) in [("Puppet", "puppet"), ("Marionette", "puppet"), ("Doll", "doll")]
        {
            let name = kind.to_lowercase();
            let puppet = Puppet::create(&stage, kind, &name, script.clone()).await?;
            let run = puppet.played(&host, 1).await?;
            ensure!(run.controller == controller, "{kind}: {run:?}");
            ensure!(puppet.status().await?["phase"] == "Seen", "{kind}");
        }
        Ok(())
    })
}

#[test]
fn a_swap_adds_a_controller_and_removes_one() -> Result<()> {
    on_cluster("controllers::swap", async |cluster| {
        let stage = puppet::stage(cluster, "controllers::swap", &[(DOLL, "")]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let script = json!([{"report": {"status": {"phase": "Seen"}}}]);
        let doll = Puppet::create(&stage, "Doll", "doll", script.clone()).await?;
        let puppet = Puppet::create(&stage, "Puppet", "puppet", script.clone()).await?;
        puppet.played(&host, 1).await?;
        ensure!(doll.status().await?.is_null(), "nobody's object was reconciled");

        let both = puppet::with(&[])?;
        stage.plugins.install("puppet.wasm", &both)?;
        host.runs("puppet", &both).await?;
        doll.played(&host, 1).await?;
        ensure!(doll.status().await?["phase"] == "Seen", "{:?}", doll.status().await?);
        puppet.plays(&host, json!([])).await?;

        let one = puppet::with(&[(DOLL, ""), (ALSO, "")])?;
        stage.plugins.install("puppet.wasm", &one)?;
        host.runs("puppet", &one).await?;
        let overview = host.plugins().await?;
        ensure!(overview.controllers.len() == 1, "{overview:?}");
        doll.edit(json!([{"report": {"status": {"phase": "Again"}}}])).await?;
        puppet.plays(&host, json!([])).await?;
        ensure!(doll.status().await?["phase"] == "Seen", "a removed controller reconciles");
        Ok(())
    })
}

#[test]
fn a_second_plugin_that_claims_an_also_kind_is_refused() -> Result<()> {
    on_cluster("controllers::claim", async |cluster| {
        let stage = puppet::stage(cluster, "controllers::claim", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::create(&stage, "Marionette", "m", json!([])).await?;
        puppet.played(&host, 1).await?;
        let rival = puppet::with(&[
            ("name = \"puppet\"", "name = \"rival\""),
            (DOLL, ""),
            (ALSO, ""),
            ("kind = \"Puppet\" }", "kind = \"Marionette\" }"),
        ])?;
        stage.plugins.install("rival.wasm", &rival)?;
        let refused = |overview: &joch_tests::host::Overview| {
            overview.file("rival.wasm").is_some_and(|file| file.refused.is_some())
        };
        let overview = host.shows("the rival is refused", refused).await?;
        let file = overview.file("rival.wasm").and_then(|file| file.refused.clone());
        let reason = file.context("not refused")?.reason;
        for part in ["Marionette", "already reconciled", "\"puppet\""] {
            ensure!(reason.contains(part), "{part:?} is not in {reason:?}");
        }
        puppet.plays(&host, json!([])).await.map(drop)
    })
}
