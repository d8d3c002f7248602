//! The plugin folder of a running host: a file is replaced, broken, removed.

use anyhow::{Result, ensure};
use joch_core::name::Digest;
use joch_tests::guests::{component, new_version};
use joch_tests::objects::{agent, create, task, until_phase};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;

#[test]
fn a_replaced_file_is_swapped_a_broken_one_is_not_and_a_deleted_one_unloads() -> Result<()> {
    on_cluster("reload::swap", async |cluster| {
        let stage = Stage::new(cluster, "reload::swap", &["kubetask"]).await?;
        let mut host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        let first = component("kubetask")?;
        host.runs("kubetask", &first).await?;

        let second = new_version(&first, 2);
        stage.plugins.install("kubetask.wasm", &second)?;
        host.runs("kubetask", &second).await?;

        stage.plugins.install("kubetask.wasm", b"junk")?;
        let refused = host.shows("the junk is refused", |overview| {
            overview.file("kubetask.wasm").is_some_and(|file| file.refused.is_some())
        });
        let overview = refused.await?;
        ensure!(overview.runs("kubetask", &Digest::of(&second)), "{overview:?}");
        create(&tasks, &task("meanwhile")).await?;
        until_phase(&tasks, "meanwhile", "Running").await?;

        stage.plugins.install("kubetask.wasm", &second)?;
        host.shows(
            "the version that ran on is no longer refused when it is put back",
            |overview| overview.file("kubetask.wasm").is_some_and(|file| file.refused.is_none()),
        )
        .await?;

        let third = new_version(&first, 3);
        stage.plugins.install("kubetask.wasm", &third)?;
        host.runs("kubetask", &third).await?;
        let healed = host.plugins().await?;
        let file = healed.file("kubetask.wasm");
        ensure!(file.is_some_and(|file| file.refused.is_none()), "still refused: {healed:?}");

        stage.plugins.remove("kubetask.wasm")?;
        host.shows("the plugin is unloaded", |overview| overview.controllers.is_empty()).await?;
        stage.plugins.install("kubetask.wasm", &first)?;
        host.runs("kubetask", &first).await?;
        create(&tasks, &task("afterwards")).await?;
        until_phase(&tasks, "afterwards", "Running").await?;
        host.terminate().await
    })
}
