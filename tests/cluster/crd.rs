//! The definitions: a host that is there before them, and the samples that they have to accept.

use anyhow::{Result, ensure};
use joch_tests::objects::{agent, create, task, until_phase};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::{on_bare_cluster, on_cluster};

#[test]
fn a_host_that_starts_before_the_definitions_waits_for_them_and_then_works() -> Result<()> {
    on_bare_cluster("crd::later", async |cluster| {
        let stage = Stage::new(cluster, "crd::later", &["kubetask"]).await?;
        let mut host = stage.host().await?;
        host.shows("the controller waits for its kind", |overview| {
            overview.controllers.iter().any(|view| view.state.starts_with("WaitingFor"))
        })
        .await?;
        ensure!(host.is_alive()?, "the host ended: {}", host.last_words());

        cluster.apply(&paths::root().join("crds"), None).await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        until_phase(&tasks, "t", "Running").await.map(drop)
    })
}

#[test]
fn the_samples_of_the_seed_apply_verbatim() -> Result<()> {
    on_cluster("crd::samples", async |cluster| {
        let namespace = "kubetask-system";
        cluster.kubectl(&["create", "namespace", namespace]).await?;
        let folder = paths::root().join("examples/kubetask");
        let mut samples = 0;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                cluster.apply(&path, None).await?;
                samples += 1;
            }
        }
        ensure!(samples >= 6, "only {samples} samples");
        let tasks = cluster
            .kubectl(&[
                "get",
                "tasks,agents.kubetask.io,crontasks,kubetaskconfigs",
                "-n",
                namespace,
                "-o",
                "name",
            ])
            .await?;
        let names: Vec<&str> = tasks.lines().collect();
        for name in [
            "task.kubetask.io/update-service-a",
            "agent.kubetask.io/default",
            "crontask.kubetask.io/daily-report",
            "kubetaskconfig.kubetask.io/default",
        ] {
            ensure!(names.contains(&name), "{name} is not among {names:?}");
        }
        Ok(())
    })
}
