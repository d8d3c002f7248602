//! Failures of one object in a row: each is tried again later than the one before, and a success, another
//! object or another version ends the row (G5).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use joch_tests::host::{Host, Line, Overview};
use joch_tests::puppet::{self, Puppet};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::DeleteParams;
use serde_json::json;

/// The failures that were told since `mark` lines: which in a row each was, and when.
fn failures(host: &Host, mark: usize) -> Result<Vec<(String, Timestamp)>> {
    let log = host.log()?;
    let told = log.lines().skip(mark).filter(|line| line.message() == "reconcile failed");
    let failure = |line: &Line| {
        let at = line.text("timestamp").context("no timestamp")?.parse()?;
        Ok((line.text("attempt").context("no attempt")?, at))
    };
    told.map(failure).collect()
}

async fn until_failures(
    host: &Host,
    mark: usize,
    wanted: usize,
) -> Result<Vec<(String, Timestamp)>> {
    eventually(&format!("{wanted} failures"), LONG, async || {
        let found = failures(host, mark)?;
        ensure!(found.len() >= wanted, "{found:?}");
        Ok(found)
    })
    .await
}

#[test]
fn failures_in_a_row_are_tried_again_later_and_later_and_a_success_ends_the_row() -> Result<()> {
    on_cluster("backoff::row", async |cluster| {
        let stage = puppet::stage(cluster, "backoff::row", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let fails = json!([{"fail": {"reason": "No", "message": "not now"}}]);
        let puppet = Puppet::create(&stage, "Puppet", "p", fails.clone()).await?;
        let row = until_failures(&host, 0, 5).await?;
        let attempts: Vec<&str> = row.iter().map(|(attempt, _)| attempt.as_str()).collect();
        ensure!(attempts.starts_with(&["1", "2", "3", "4", "5"]), "{attempts:?}");
        // A quarter of a second, doubled each time, less a fifth.
        for (pair, least) in row.windows(2).zip([0.2, 0.4, 0.8, 1.6]) {
            if let [(_, before), (_, after)] = pair {
                let waited = after.duration_since(*before).as_secs_f64();
                ensure!(waited >= least, "tried again after {waited} and not {least} s: {row:?}");
            }
        }

        let run = puppet.plays(&host, json!([])).await?;
        ensure!(run.outcome.as_deref() == Some("Done"), "{run:?}");
        let mark = host.log()?.lines().count();
        puppet.plays(&host, fails).await?;
        let row = until_failures(&host, mark, 1).await?;
        let first = row.first().map(|(attempt, _)| attempt.as_str());
        ensure!(first == Some("1"), "the row goes on: {row:?}");
        Ok(())
    })
}

#[test]
fn another_object_and_another_version_begin_a_row_of_their_own() -> Result<()> {
    on_cluster("backoff::anew", async |cluster| {
        let stage = puppet::stage(cluster, "backoff::anew", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let fails = json!([{"fail": {"reason": "No", "message": "not now"}}]);
        let puppet = Puppet::create(&stage, "Puppet", "p", fails.clone()).await?;
        until_failures(&host, 0, 3).await?;
        puppet.api.delete("p", &DeleteParams::default()).await?;
        let gone =
            |overview: &Overview| overview.controller("puppet").is_some_and(|it| it.objects == 0);
        host.shows("the object is gone", gone).await?;
        let mark = host.log()?.lines().count();
        Puppet::create(&stage, "Puppet", "p", fails).await?;
        let row = until_failures(&host, mark, 3).await?;
        let first = row.first().map(|(attempt, _)| attempt.as_str());
        ensure!(first == Some("1"), "the other object's row goes on: {row:?}");

        let mark = host.log()?.lines().count();
        let next = puppet::with(&[("log-lines = 1000", "log-lines = 1001")])?;
        stage.plugins.install("puppet.wasm", &next)?;
        host.runs("puppet", &next).await?;
        eventually("the other version fails for the first time", LONG, async || {
            let row = failures(&host, mark)?;
            ensure!(row.iter().any(|(attempt, _)| attempt == "1"), "{row:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn an_edit_frees_an_object_that_breaks_its_guest_at_once() -> Result<()> {
    on_cluster("backoff::edit", async |cluster| {
        let stage = puppet::stage(cluster, "backoff::edit", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::create(&stage, "Puppet", "p", json!([{"panic": "no"}])).await?;
        // Held for eight seconds then, less a fifth.
        until_failures(&host, 0, 6).await?;
        let edited = Instant::now();
        let run = puppet.plays(&host, json!([])).await?;
        ensure!(run.outcome.as_deref() == Some("Done"), "{run:?}");
        let took = edited.elapsed();
        ensure!(took < Duration::from_secs(5), "only after {took:?}");
        Ok(())
    })
}
