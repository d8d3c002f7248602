//! Several replicas of the host (G9): each plugin is run by one of them, another one takes over when that
//! one dies, hangs, is cut off or goes, and no two ever write for one plugin.

use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::crew::{Crew, DURATION};
use joch_tests::objects::{agent, create, task, until_phase};
use joch_tests::proxy::{Action, ApiRequest};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};

use crate::hello;

mod handover;
mod split;

const TASKS: &str = "kubetask";

fn pass(_: &ApiRequest) -> Action {
    Action::Pass
}

/// Replicas that run KubeTask, and an Agent for its Tasks.
async fn crew(cluster: &Cluster, test: &str, size: usize) -> Result<Crew> {
    let mut crew = Crew::new(cluster, test, &[TASKS]).await?;
    for _ in 0..size {
        crew.join(cluster, &[], pass).await?;
    }
    create(&crew.stage.kubetask("Agent"), &agent("default")).await?;
    Ok(crew)
}

/// Makes Tasks, and waits until each has its Job.
async fn run(crew: &Crew, names: &[&str]) -> Result<()> {
    let tasks = crew.stage.kubetask("Task");
    for name in names {
        create(&tasks, &task(name)).await?;
    }
    for name in names {
        until_phase(&tasks, name, "Running").await?;
    }
    Ok(())
}

async fn until_lost(crew: &Crew, replica: usize) -> Result<()> {
    eventually("the replica knows that it was taken for dead", LONG, async || {
        let replica = crew.replicas.get(replica).context("no such replica")?;
        let lost = replica.metric("joch_lease_lost_total").await?;
        ensure!(lost > 0.5, "{lost}");
        let view = replica.view(TASKS).await?;
        ensure!(view.to_string().contains("\"Standby\""), "{view}");
        Ok(())
    })
    .await
}

#[test]
fn each_plugin_is_run_by_one_replica_and_by_the_other_soon_after_that_one_died() -> Result<()> {
    on_cluster("replicas::kill", async |cluster| {
        hello::install_kind(cluster).await?;
        let mut crew = crew(cluster, "replicas::kill", 2).await?;
        let hello = joch_tests::guests::component("hello-controller")?;
        crew.stage.plugins.install("hello.wasm", &hello)?;
        let holder = crew.holder(TASKS, &[0, 1]).await?;
        crew.holder("hello-controller", &[0, 1]).await?;
        let other = 1 - holder;
        let view = crew.replicas[other].view(TASKS).await?;
        ensure!(view["phase"] == "Standby", "{view}");
        let named = view["holder"].as_str().context("no holder")?.to_owned();
        run(&crew, &["a", "b", "c"]).await?;

        // Times in Leases are for people: a clock that is an hour late decides nothing.
        let lease = format!("joch-member-{named}");
        let late = serde_json::json!({"spec": {"renewTime": "2001-01-01T00:00:00.000000Z"}});
        let leases: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
            kube::Api::namespaced(crew.stage.client.clone(), &crew.stage.namespace);
        leases.patch(&lease, &Default::default(), &kube::api::Patch::Merge(late)).await?;
        let before = crew.replicas[holder]
            .metric("joch_lease_requests_total{request=\"renew\",result=\"done\"}")
            .await?;
        eventually("it goes on renewing", LONG, async || {
            let name = "joch_lease_requests_total{request=\"renew\",result=\"done\"}";
            let now = crew.replicas[holder].metric(name).await?;
            ensure!(now > before + 2.5, "{now}");
            Ok(())
        })
        .await?;
        ensure!(crew.replicas[holder].metric("joch_lease_lost_total").await? < 0.5, "it was lost");

        let mark = crew.replicas[other].proxy.record().mark();
        let killed = SystemTime::now();
        crew.replicas[holder].host.kill()?;
        run(&crew, &["d", "e"]).await?;
        let took = crew.taken(other, TASKS, mark)?.duration_since(killed)?;
        ensure!(took < DURATION, "taken over after {took:?}");
        ensure!(crew.writers() == [holder, other], "{:?}", crew.writers());
        ensure!(crew.job_posts() == 5, "{} Jobs were made", crew.job_posts());
        ensure!(crew.holder("hello-controller", &[other]).await? == other, "the other plugin too");

        // Who comes back gets a plugin some time later, not at once.
        crew.replicas[holder].host.restart().await?;
        let view = crew.replicas[holder].view(TASKS).await?;
        ensure!(view["phase"] == "Standby", "{view}");
        Ok(())
    })
}

#[test]
fn a_replica_that_wakes_up_late_writes_nothing_any_more() -> Result<()> {
    on_cluster("replicas::stop", async |cluster| {
        let mut crew = Crew::new(cluster, "replicas::stop", &[TASKS]).await?;
        // Whoever runs the Task named `late` waits a while for the answer to the write before its Job's.
        let slow = |request: &ApiRequest| match &request.name {
            Some(name) if name == "late-context" && request.is_write() => {
                Action::Delay(std::time::Duration::from_secs(2))
            }
            _ => Action::Pass,
        };
        for _ in 0..2 {
            crew.join(cluster, &[], slow).await?;
        }
        create(&crew.stage.kubetask("Agent"), &agent("default")).await?;
        let holder = crew.holder(TASKS, &[0, 1]).await?;
        let other = 1 - holder;
        run(&crew, &["a"]).await?;
        create(&crew.stage.kubetask("Task"), &task("late")).await?;
        eventually("its first write is under way", LONG, async || {
            let context =
                |it: &joch_tests::proxy::Entry| it.request.name.as_deref() == Some("late-context");
            let writes = crew.replicas[holder].writes(0);
            ensure!(writes.iter().any(context), "{writes:?}");
            Ok(())
        })
        .await?;
        crew.replicas[holder].pause(true)?;
        until_phase(&crew.stage.kubetask("Task"), "late", "Running").await?;
        run(&crew, &["b"]).await?;
        let mark = crew.replicas[holder].proxy.record().mark();
        crew.replicas[holder].pause(false)?;
        until_lost(&crew, holder).await?;
        let late = crew.replicas[holder].writes(mark);
        ensure!(late.is_empty(), "{late:?}");
        // It did try: the guest was in the middle of its work.
        let (_, metrics) = crew.replicas[holder].host.page("/metrics").await?;
        ensure!(metrics.lines().any(|it| it.contains("result=\"fenced\"")), "{metrics}");
        ensure!(crew.writers() == [holder, other], "{:?}", crew.writers());
        ensure!(crew.job_posts() == 3, "{} Jobs were made", crew.job_posts());

        // It takes part again, as a member of another name.
        crew.replicas[other].host.terminate().await?;
        run(&crew, &["c"]).await?;
        ensure!(crew.writers() == [holder, other, holder], "{:?}", crew.writers());
        Ok(())
    })
}

#[test]
fn a_replica_that_was_cut_off_writes_nothing_before_it_is_asked_again() -> Result<()> {
    on_cluster("replicas::partition", async |cluster| {
        let crew = crew(cluster, "replicas::partition", 2).await?;
        let holder = crew.holder(TASKS, &[0, 1]).await?;
        let other = 1 - holder;
        run(&crew, &["a", "b"]).await?;
        crew.replicas[holder].cut(true);
        run(&crew, &["c", "d"]).await?;
        let mark = crew.replicas[holder].proxy.record().mark();
        crew.replicas[holder].cut(false);
        until_lost(&crew, holder).await?;
        run(&crew, &["e"]).await?;
        let late = crew.replicas[holder].writes(mark);
        ensure!(late.is_empty(), "{late:?}");
        // What it tried while it was cut off counts too.
        ensure!(crew.writers() == [holder, other], "{:?}", crew.writers());
        let blamed = "joch_plugin_failures_total{plugin=\"kubetask\"";
        let (_, metrics) = crew.replicas[holder].host.page("/metrics").await?;
        let blames = |it: &&str| it.starts_with(blamed) && !it.contains("blame=\"cluster\"");
        ensure!(!metrics.lines().any(|it| blames(&it)), "{metrics}");
        Ok(())
    })
}

#[test]
fn an_outage_of_the_api_server_for_everybody_moves_no_plugin() -> Result<()> {
    on_cluster("replicas::outage", async |cluster| {
        let crew = crew(cluster, "replicas::outage", 2).await?;
        let holder = crew.holder(TASKS, &[0, 1]).await?;
        run(&crew, &["a"]).await?;
        crew.replicas.iter().for_each(|replica| replica.cut(true));
        tokio::time::sleep(DURATION + DURATION / 4).await;
        crew.replicas.iter().for_each(|replica| replica.cut(false));
        run(&crew, &["b"]).await?;
        ensure!(crew.holder(TASKS, &[0, 1]).await? == holder, "the plugin has moved");
        for replica in &crew.replicas {
            ensure!(replica.metric("joch_lease_lost_total").await? < 0.5, "a replica was ended");
        }
        ensure!(crew.writers() == [holder], "{:?}", crew.writers());
        Ok(())
    })
}

#[test]
fn a_rolling_restart_hands_over_at_once_and_loses_nothing() -> Result<()> {
    on_cluster("replicas::rolling", async |cluster| {
        let mut crew = crew(cluster, "replicas::rolling", 3).await?;
        run(&crew, &["before"]).await?;
        for index in 0..3 {
            let names = [format!("t{index}-a"), format!("t{index}-b"), format!("t{index}-c")];
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let holder = crew.holder(TASKS, &[0, 1, 2]).await?;
            let marks: Vec<usize> =
                crew.replicas.iter().map(|it| it.proxy.record().mark()).collect();
            let tasks = crew.stage.kubetask("Task");
            create(&tasks, &task(&format!("t{index}-under-way"))).await?;
            crew.replicas[index].host.terminate().await?;
            let gone = SystemTime::now();
            run(&crew, &names).await?;
            until_phase(&tasks, &format!("t{index}-under-way"), "Running").await?;
            let left: Vec<usize> = (0..3).filter(|it| *it != index).collect();
            let next = crew.holder(TASKS, &left).await?;
            if holder == index {
                let taken = crew.taken(next, TASKS, marks[next])?;
                // It was over before the process was; nobody waited for an expiry.
                let wait = taken.duration_since(gone).unwrap_or_default();
                ensure!(wait < DURATION / 2, "taken over after {wait:?}");
            } else {
                ensure!(next == holder, "the plugin has moved");
            }
            crew.replicas[index].host.restart().await?;
        }
        ensure!(crew.job_posts() == 13, "{} Jobs were made", crew.job_posts());
        for replica in &crew.replicas {
            let twice = replica
                .proxy
                .record()
                .since(0, |entry| entry.request.resource == "jobs" && entry.code == Some(409));
            ensure!(twice.is_empty(), "{twice:?}");
        }
        Ok(())
    })
}
