//! Failures of one object in a row: each is tried again later than the one before, and a success ends the
//! row (G5).

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use joch_tests::host::{Host, Line};
use joch_tests::puppet::{self, Puppet};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
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
