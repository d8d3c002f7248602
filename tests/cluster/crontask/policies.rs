//! What becomes of a run when the previous one is still active, and of those that have finished.

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use joch_tests::objects::{agent, condition, create, until_job};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::batch::v1::Job;
use kube::api::Api;
use serde_json::json;

use super::{Cron, task_at};

/// A CronTask whose first Task runs; what makes the next run due, and the names of both Tasks.
async fn busy(stage: &Stage, policy: &str) -> Result<(Cron, String, String)> {
    create(&stage.kubetask("Agent"), &agent("default")).await?;
    let (cron, last) =
        Cron::last_run(stage, "c", json!({"concurrencyPolicy": policy}), 100).await?;
    let first = last + SignedDuration::from_hours(1);
    let name = task_at("c", first);
    until_job(&stage.client, &stage.namespace, &format!("{name}-job")).await?;
    cron.until("Scheduled", "TaskCreated").await?;
    ensure!(cron.active().await? == [name.as_str()], "the new one is named at once");
    // Forty minutes after it, every half an hour leaves one run that is due.
    cron.patch(json!({"schedule": "@every 30m"})).await?;
    Ok((cron, name, task_at("c", first + SignedDuration::from_mins(30))))
}

#[test]
fn kt_84_allow_runs_both() -> Result<()> {
    on_cluster("crontask::allow", async |cluster| {
        let stage = Stage::new(cluster, "crontask::allow", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let (cron, first, second) = busy(&stage, "Allow").await?;
        cron.until_runs(&[&first, &second]).await?;
        eventually("both are active, in their order", LONG, async || {
            let active = cron.active().await?;
            ensure!(active == [first.as_str(), second.as_str()], "{active:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn kt_86_forbid_skips_a_run_for_good() -> Result<()> {
    on_cluster("crontask::forbid", async |cluster| {
        let stage = Stage::new(cluster, "crontask::forbid", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let (cron, first, second) = busy(&stage, "Forbid").await?;
        let told = cron.until("Scheduled", "RunSkipped").await?;
        let skipped = condition(&told, "Scheduled").context("no condition")?;
        ensure!(skipped["status"] == "False", "{skipped}");
        ensure!(
            skipped["message"].to_string().contains(&first),
            "it names what is active: {skipped}"
        );
        let last = told.data.pointer("/status/lastScheduleTime").context("no time")?;
        let unix = last.as_str().context("no text")?.parse::<Timestamp>()?.as_second();
        ensure!(second.ends_with(&unix.to_string()), "the skipped run is decided upon: {last}");

        // The previous one ends: the skipped run stays skipped.
        cron.completes(&first).await?;
        eventually("its end is told", LONG, async || {
            ensure!(cron.active().await?.is_empty(), "still active");
            Ok(())
        })
        .await?;
        cron.until_runs(&[&first]).await?;
        ensure!(stage.proxy.record().posts("tasks", &stage.namespace) == 1, "made up for");
        Ok(())
    })
}

#[test]
fn kt_85_87_replace_deletes_the_previous_task_with_its_job() -> Result<()> {
    on_cluster("crontask::replace", async |cluster| {
        let stage = Stage::new(cluster, "crontask::replace", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let (cron, first, second) = busy(&stage, "Replace").await?;
        cron.until_runs(&[&second]).await?;
        let jobs: Api<Job> = Api::namespaced(stage.client.clone(), &stage.namespace);
        eventually("the old Job is collected and the new one is there", LONG, async || {
            ensure!(jobs.get_opt(&format!("{first}-job")).await?.is_none(), "the old one is there");
            ensure!(jobs.get_opt(&format!("{second}-job")).await?.is_some(), "no new one");
            let active = cron.active().await?;
            ensure!(active == [second.as_str()], "{active:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn kt_92_93_finished_tasks_beyond_the_limits_go_and_the_last_success_stays() -> Result<()> {
    on_cluster("crontask::history", async |cluster| {
        let stage = Stage::new(cluster, "crontask::history", &["kubetask"]).await?;
        let spec = json!({"suspend": true, "successfulTasksHistoryLimit": 9, "failedTasksHistoryLimit": 9});
        let cron = Cron::create(&stage, &super::crontask("c", spec)).await?;
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for minutes in [50, 40, 30] {
            good.push(cron.finished(minutes, "Completed").await?);
            bad.push(cron.finished(minutes - 5, "Failed").await?);
        }
        let _host = stage.host().await?;
        let success = eventually("the last success is told", LONG, async || {
            let status = cron.status().await?;
            ensure!(status["lastSuccessfulTime"].is_string(), "{status}");
            Ok(status["lastSuccessfulTime"].clone())
        })
        .await?;
        ensure!(cron.runs().await?.len() == 6, "within the limits");

        cron.patch(json!({"successfulTasksHistoryLimit": 2, "failedTasksHistoryLimit": 1})).await?;
        // Those created in one second are told apart by their names.
        let mut kept = [good[1].as_str(), good[2].as_str(), bad[2].as_str()];
        kept.sort_unstable();
        cron.until_runs(&kept).await?;
        cron.patch(json!({"successfulTasksHistoryLimit": 0, "failedTasksHistoryLimit": 0})).await?;
        cron.until_runs(&[]).await?;
        ensure!(cron.status().await?["lastSuccessfulTime"] == success, "it is remembered");
        Ok(())
    })
}
