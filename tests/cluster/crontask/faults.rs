//! Writes that are lost, and names that somebody else took.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use joch_tests::objects::{create, task};
use joch_tests::proxy::{Action, ApiRequest, Faults};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use kube::ResourceExt as _;
use serde_json::json;

use super::{Cron, ago, crontask, task_at};

/// A watch that brings nothing within the time of a test.
const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn kt_94_a_lost_status_write_leads_to_no_second_task() -> Result<()> {
    on_cluster("crontask::lost", async |cluster| {
        let lost = Faults::default();
        let left = lost.clone();
        let inject = move |request: &ApiRequest| {
            let lose = request.writes_status_of("crontasks") && left.take();
            if lose { Action::Status(500) } else { Action::Pass }
        };
        let stage = Stage::with_faults(cluster, "crontask::lost", &["kubetask"], inject).await?;
        let mut host = stage.host().await?;
        let due = async |name: &str, policy: &str, losses: u32| {
            let spec = json!({"concurrencyPolicy": policy, "suspend": true});
            let cron = Cron::create(&stage, &crontask(name, spec)).await?;
            cron.until("Scheduled", "ScheduleValid").await?;
            lost.set(losses);
            let last = ago(61);
            cron.patch_status(json!({"lastScheduleTime": last.to_string()})).await?;
            cron.patch(json!({"suspend": false})).await?;
            anyhow::Ok((cron, task_at(name, last + SignedDuration::from_hours(1))))
        };
        for (name, policy) in [("allow", "Allow"), ("forbid", "Forbid"), ("replace", "Replace")] {
            let (cron, run) = due(name, policy, 3).await?;
            cron.until("Scheduled", "TaskCreated").await?;
            ensure!(lost.are_over(), "nothing was lost, so nothing was shown");
            cron.until_runs(&[&run]).await?;
        }
        let posts = stage.proxy.record().posts("tasks", &stage.namespace);
        ensure!(posts == 3, "{posts} Tasks were posted for 3 runs");

        // The host dies between the Task and the status.
        let (cron, run) = due("killed", "Forbid", u32::MAX).await?;
        cron.until_runs(&[&run]).await?;
        host.kill()?;
        lost.set(0);
        host.restart().await?;
        cron.until("Scheduled", "TaskCreated").await?;
        cron.until_runs(&[&run]).await?;
        ensure!(stage.proxy.record().posts("tasks", &stage.namespace) == 4, "it was posted again");
        Ok(())
    })
}

#[test]
fn kt_94_a_task_of_somebody_else_is_left_alone_and_told() -> Result<()> {
    on_cluster("crontask::taken", async |cluster| {
        let stage = Stage::new(cluster, "crontask::taken", &["kubetask"]).await?;
        let suspended = crontask("c", json!({"suspend": true}));
        let cron = Cron::create(&stage, &suspended).await?;
        let last = ago(61);
        cron.patch_status(json!({"lastScheduleTime": last.to_string()})).await?;
        let name = task_at("c", last + SignedDuration::from_hours(1));
        let foreign = create(&cron.tasks, &task(&name)).await?;
        cron.patch(json!({"suspend": false})).await?;
        let _host = stage.host().await?;
        let told = cron.until("Scheduled", "TaskNameTaken").await?;
        ensure!(
            told.data.pointer("/status/lastScheduleTime") == Some(&json!(last.to_string())),
            "{told:?}"
        );
        let after = cron.tasks.get(&name).await?;
        ensure!(after.uid() == foreign.uid() && after.owner_references().is_empty(), "{after:?}");

        // The next run is not held up.
        cron.patch(json!({"schedule": "@every 40m"})).await?;
        cron.until("Scheduled", "TaskCreated").await?;
        cron.until_runs(&[&task_at("c", last + SignedDuration::from_mins(40))]).await
    })
}

#[test]
fn kt_94_an_own_task_that_the_cache_does_not_show_is_recognised() -> Result<()> {
    on_cluster("crontask::unseen", async |cluster| {
        let frozen = |request: &ApiRequest| match request {
            request if request.is_watch() && request.resource == "tasks" => Action::Delay(NEVER),
            _ => Action::Pass,
        };
        let stage = Stage::with_faults(cluster, "crontask::unseen", &["kubetask"], frozen).await?;
        let _host = stage.host().await?;
        let cron = Cron::create(&stage, &crontask("c", json!({"suspend": true}))).await?;
        cron.until("Scheduled", "ScheduleValid").await?;
        // As if it had been created by a host that is gone: this one's cache learns nothing of it.
        let name = cron.finished(1, "Failed").await?;
        let at: i64 = name.trim_start_matches("c-").parse()?;
        let last = Timestamp::from_second(at - 3600)?;
        cron.patch_status(json!({"lastScheduleTime": last.to_string()})).await?;
        cron.patch(json!({"suspend": false})).await?;
        cron.until("Scheduled", "TaskCreated").await?;
        cron.until_runs(&[&name]).await?;
        let refused = stage.proxy.record().already_exists(&stage.namespace);
        ensure!(
            refused == 1,
            "{refused} creations met the Task, so the cache was not what it should be"
        );
        ensure!(cron.active().await?.is_empty(), "one that has ended is not active");
        Ok(())
    })
}
