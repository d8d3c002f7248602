//! `jobs`: started once, never adopted, within the grant's bounds.

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::objects::end_pod;
use joch_tests::puppet::{self, Puppet, job};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{denials, denied};

/// A script's Job with a value put somewhere.
fn with(mut job: Value, pointer: &str, value: Value) -> Result<Value> {
    let (parent, name) = pointer.rsplit_once('/').context("no pointer")?;
    let parent = job.pointer_mut(&format!("/startJob{parent}")).context("no such place")?;
    parent.as_object_mut().context("no object")?.insert(name.to_owned(), value);
    Ok(job)
}

#[test]
fn jobs_are_started_denied_and_bounded() -> Result<()> {
    on_cluster("capabilities::jobs", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::jobs", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let pod = "/spec/template/spec";
        let script = json!([
            job("one"),
            job("one"),
            with(job("x"), &format!("{pod}/containers/0/image"), json!("evil.test/miner"))?,
            with(job("x"), &format!("{pod}/serviceAccountName"), json!("admin"))?,
            with(
                job("x"),
                &format!("{pod}/volumes"),
                json!([{"name": "s", "secret": {"secretName": "s"}}])
            )?,
            with(job("x"), &format!("{pod}/securityContext"), json!({}))?,
            with(job("x"), &format!("{pod}/hostNetwork"), json!(true))?,
            job(""),
            job("two"),
            job("three"),
            job("four"),
        ]);
        let run = puppet.plays(&host, script).await?;
        ensure!(run.answer(0)?.get("created").is_some(), "{run:?}");
        ensure!(run.answer(1)?.get("alreadyRunning").is_some(), "{run:?}");
        denied(&run, 2, &["evil.test/miner", "grant.jobs.images"])?;
        denied(&run, 3, &["admin", "grant.jobs.service-accounts"])?;
        denied(&run, 4, &["grant.jobs.secrets"])?;
        denied(&run, 5, &["grant.jobs.profile"])?;
        ensure!(denials(&host).await? >= 4.0, "denials are not counted");
        let (error, text) = run.refusal(6)?;
        ensure!(error == "invalid" && text.contains("hostNetwork"), "{run:?}");
        ensure!(run.refusal(7)?.0 == "invalid", "{run:?}");
        ensure!(run.step(8)?.ok && run.step(9)?.ok, "{run:?}");
        ensure!(run.refusal(10)? == ("overBudget", "3"), "{run:?}");
        let posts = stage.proxy.record().posts("jobs", &stage.namespace);
        ensure!(posts == 3, "{posts} POSTs of 3 Jobs");
        Ok(())
    })
}

#[test]
fn a_job_that_goes_or_ends_gives_its_place_to_the_next() -> Result<()> {
    on_cluster("capabilities::job_places", async |cluster| {
        let one = [("max-active = 3", "max-active = 1")];
        let stage = puppet::stage(cluster, "capabilities::job_places", &one).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let run = puppet.plays(&host, json!([job("one"), job("two")])).await?;
        run.answer(0)?;
        ensure!(run.refusal(1)? == ("overBudget", "1"), "{run:?}");
        let jobs: Api<Job> = Api::namespaced(stage.client.clone(), &stage.namespace);
        // Nobody touches the Puppet between: the Job of its own that went or ended wakes it.
        let waits = async |name: &str| {
            let run = puppet.plays(&host, json!([job(name)])).await?;
            ensure!(run.refusal(0)?.0 == "overBudget", "{run:?}");
            Ok(())
        };
        let started = async |name: &str| {
            let there = async || Ok(jobs.get(name).await.map(drop)?);
            eventually(&format!("{name} is started"), LONG, there).await
        };
        waits("two").await?;
        jobs.delete("one", &DeleteParams::background()).await?;
        started("two").await?;
        waits("three").await?;
        end_pod(&stage.client, &stage.namespace, "two", "Succeeded").await?;
        started("three").await
    })
}

#[test]
fn a_jobs_name_that_is_taken_or_terminating_is_told_apart() -> Result<()> {
    on_cluster("capabilities::job_names", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::job_names", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let jobs: Api<Job> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let mut foreign = job("foreign")["startJob"].clone();
        foreign["apiVersion"] = json!("batch/v1");
        foreign["kind"] = json!("Job");
        jobs.create(&PostParams::default(), &serde_json::from_value(foreign)?).await?;
        puppet.plays(&host, json!([job("own")])).await?.answer(0)?;
        let hold = Patch::Merge(json!({"metadata": {"finalizers": ["test.joch.dev/hold"]}}));
        jobs.patch("own", &PatchParams::default(), &hold).await?;
        jobs.delete("own", &DeleteParams::background()).await?;

        eventually("both are told", LONG, async || {
            let run = puppet.plays(&host, json!([job("foreign"), job("own")])).await?;
            let (taken, foreign) = run.refusal(0)?;
            ensure!(taken == "nameTaken" && foreign.contains("foreign"), "{run:?}");
            ensure!(run.refusal(1)?.0 == "nameTerminating", "{run:?}");
            Ok(())
        })
        .await?;
        ensure!(jobs.get("foreign").await?.metadata.owner_references.is_none(), "it was adopted");
        let old = jobs.get("own").await?;
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        jobs.patch("own", &PatchParams::default(), &free).await?;
        eventually("the name is free again", LONG, async || {
            let run = puppet.plays(&host, json!([job("own")])).await?;
            run.answer(0)?;
            // The change itself may have had it started again before.
            ensure!(jobs.get("own").await?.metadata.uid != old.metadata.uid, "it is the old one");
            Ok(())
        })
        .await
    })
}
