//! A version on probation: good after enough objects, rolled back when it breaks on several, also over a
//! restart of the host.

use std::path::Path;

use anyhow::{Result, ensure};
use joch_artifact::{manifest_text, with_manifest};
use joch_core::name::Digest;
use joch_tests::guests::{component, new_version};
use joch_tests::objects::{create, greetings};
use joch_tests::paths;
use joch_tests::plugin_objects::{history, merge, plugins, stage, until, until_event};
use joch_tests::suite::on_bare_cluster;
use serde_json::json;

use crate::guest::{Guest, UNREACHABLE};
use crate::hello::{greeting, until_text};

/// hello-controller's manifest with code that does something else.
fn impostor(guest: Guest, wit: &Path) -> Result<Vec<u8>> {
    let manifest = manifest_text(&component("hello-controller")?)?;
    Ok(with_manifest(&guest.component(wit), &manifest)?)
}

#[test]
fn a_version_that_breaks_on_several_objects_is_rolled_back_and_stays_out() -> Result<()> {
    on_bare_cluster("plugin_objects::probation", async |cluster| {
        let stage = stage(cluster, "plugin_objects::probation", &["hello-controller"]).await?;
        let mut host = stage.host().await?;
        let all = plugins(stage.client.clone());
        let name = "hello-controller";
        until(&all, name, "Active", &["Healthy=Unknown/OnProbation"]).await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        for number in 0..12 {
            create(&greetings, &greeting(&format!("g{number}"))).await?;
        }
        let first = component("hello-controller")?;
        let good = until(&all, name, "Active", &["Healthy=True/Proven"]).await?;
        let digest = Digest::of(&first).to_string();
        ensure!(good.data["status"]["lastGoodDigest"] == digest, "{:?}", good.data);

        let broken = impostor(UNREACHABLE, &paths::root().join("wit"))?;
        stage.plugins.install("hello-controller.wasm", &broken)?;
        let conditions = &["Ready=False/RolledBack", "Healthy=False/RolledBack"];
        let back = until(&all, name, "Active", conditions).await?;
        ensure!(back.data["status"]["digest"] == digest, "{:?}", back.data);
        ensure!(
            history(&back)
                .starts_with(&["RolledBack/RolledBack".into(), "Activated/Loaded".into()]),
            "{:?}",
            history(&back)
        );
        until_event(&stage.client, name, "RolledBack").await?;
        let (_, metrics) = host.page("/metrics").await?;
        let line = format!("joch_plugin_rollbacks_total{{plugin=\"{name}\"}} 1");
        ensure!(metrics.contains(&line), "{line:?} is not in {metrics}");
        host.runs(name, &first).await?;
        merge(&greetings, "g1", json!({"spec": {"language": "de"}})).await?;
        until_text(&stage, "g1", "Hallo, g1!").await?;

        // The folder still holds the broken version; a new host returns to the good one.
        host.kill()?;
        host.restart().await?;
        host.runs(name, &first).await?;
        until(&all, name, "Active", conditions).await?;
        merge(&greetings, "g2", json!({"spec": {"language": "de"}})).await?;
        until_text(&stage, "g2", "Hallo, g2!").await?;

        let third = new_version(&first, 3);
        stage.plugins.install("hello-controller.wasm", &third)?;
        host.runs(name, &third).await?;
        until(&all, name, "Active", &["Ready=True/Running", "Healthy=True/Proven"]).await?;
        host.terminate().await
    })
}

#[test]
fn a_first_version_that_breaks_stays_and_is_told_to_be_unhealthy() -> Result<()> {
    on_bare_cluster("plugin_objects::bear", async |cluster| {
        let stage = stage(cluster, "plugin_objects::bear", &[]).await?;
        let broken = impostor(UNREACHABLE, &paths::root().join("wit"))?;
        stage.plugins.install("hello-controller.wasm", &broken)?;
        let _host = stage.host().await?;
        let all = plugins(stage.client.clone());
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        for number in 0..3 {
            create(&greetings, &greeting(&format!("g{number}"))).await?;
        }
        until(&all, "hello-controller", "Active", &["Healthy=False/BreaksDown"]).await?;
        until_event(&stage.client, "hello-controller", "BreaksDown").await.map(drop)
    })
}
