//! Plugins go to the members that they belong to, in their own time.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use joch_core::name::Digest;
use joch_tests::crew::{Crew, DURATION};
use joch_tests::suite::on_cluster;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};

use super::{TASKS, crew, pass, run};

/// The members that have a Lease.
async fn members(crew: &Crew) -> Result<BTreeSet<String>> {
    let leases: Api<Lease> = Api::namespaced(crew.stage.client.clone(), &crew.stage.namespace);
    let names = leases.list(&ListParams::default()).await?.items;
    let member = |lease: &Lease| lease.name_any().strip_prefix("joch-member-").map(str::to_owned);
    Ok(names.iter().filter_map(member).collect())
}

/// Whether the plugin belongs to this member and not to that one, as each replica says by itself.
fn belongs(member: &str, other: &str) -> bool {
    let weight = |member: &str| Digest::of(format!("{TASKS}\n{member}").as_bytes());
    weight(member) > weight(other)
}

#[test]
fn a_plugin_is_handed_to_a_member_that_came_later_once_nothing_has_changed_for_a_while()
-> Result<()> {
    on_cluster("replicas::handover", async |cluster| {
        let mut crew = crew(cluster, "replicas::handover", 1).await?;
        run(&crew, &["first"]).await?;
        let mut known = members(&crew).await?;
        let first = known.first().context("no member")?.clone();
        crew.join(cluster, &[], pass).await?;
        // Names are drawn: it leaves and comes again until it has one that the plugin belongs to.
        loop {
            let all = members(&crew).await?;
            let newcomer = all.difference(&known).next().context("it has not joined")?;
            if belongs(newcomer, &first) {
                break;
            }
            known = all;
            crew.replicas[1].host.terminate().await?;
            crew.replicas[1].host.restart().await?;
        }
        let (came, mark) = (SystemTime::now(), crew.replicas[1].proxy.record().mark());
        let mut made = 1;
        while crew.replicas[1].view(TASKS).await?["phase"] != "Active" {
            ensure!(came.elapsed()? < 10 * DURATION, "it is not handed over");
            run(&crew, &[&format!("task-{made}")]).await?;
            made += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        run(&crew, &["last"]).await?;
        let waited = crew.taken(1, TASKS, mark)?.duration_since(came)?;
        // Twice the duration after the last change of members, which was its coming.
        ensure!(waited > DURATION, "handed over after {waited:?}");
        ensure!(crew.writers() == [0, 1], "{:?}", crew.writers());
        ensure!(crew.job_posts() == made + 1, "{} Jobs for {made} Tasks", crew.job_posts());
        for replica in &crew.replicas {
            let lost = replica.metric("joch_lease_lost_total").await?;
            ensure!(lost < 0.5, "a member was taken for dead");
        }
        Ok(())
    })
}
