//! A plugin folder with files that are no plugins: each is reported once, and harms nobody.

use anyhow::{Context as _, Result, ensure};
use joch_tests::guests::component;
use joch_tests::objects::{agent, create, task, until_phase};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;

#[test]
fn broken_files_are_reported_once_each_and_harm_nobody() -> Result<()> {
    on_cluster("bad_plugins::folder", async |cluster| {
        let stage = Stage::new(cluster, "bad_plugins::folder", &["kubetask"]).await?;
        let good = component("kubetask")?;
        let half = good.get(..good.len() / 2).context("an empty component")?;
        let module = wat::parse_str("(module)")?;
        let stranger = wat::parse_str("(component)")?;
        let bad: [(&str, &[u8]); 5] = [
            ("junk.wasm", b"\x7fELF no wasm at all"),
            ("empty.wasm", b""),
            ("module.wasm", &module),
            ("stranger.wasm", &stranger),
            ("truncated.wasm", half),
        ];
        for (name, bytes) in bad {
            stage.plugins.install(name, bytes)?;
        }
        let mut host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        until_phase(&tasks, "t", "Running").await?;

        let overview = host.plugins().await?;
        let log = host.log()?;
        for (name, _) in bad {
            let file = overview.file(name).with_context(|| format!("{name} is not shown"))?;
            let reason = file.refused.as_ref().map(|refusal| refusal.reason.as_str());
            ensure!(reason.is_some_and(|reason| !reason.is_empty()), "{name}: {file:?}");
            ensure!(file.digest.is_none(), "{name} is live: {file:?}");
            let loud = |level: String| level == "WARN" || level == "ERROR";
            let told = log.lines().filter(|line| loud(line.level()) && line.mentions(name)).count();
            ensure!(told == 1, "{name} is reported {told} times; {}", host.last_words());
        }
        ensure!(host.is_alive()?, "the host ended: {}", host.last_words());
        host.terminate().await
    })
}
