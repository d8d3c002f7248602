//! A CronTask's life: due, done, suspended, resumed, settled, deleted.

use anyhow::{Context as _, Result, ensure};
use jiff::SignedDuration;
use joch_tests::objects::{agent, create, touch};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::{Cron, crontask, settled, task_at};

#[test]
fn kt_80_81_88_93_a_run_that_is_due_becomes_a_task_that_runs_to_its_end() -> Result<()> {
    on_cluster("crontask::due", async |cluster| {
        let stage = Stage::new(cluster, "crontask::due", &["kubetask"]).await?;
        let _host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let template = json!({
            "metadata": {
                "labels": {"app": "daily-report", "kubetask.io/crontask": "somebody-else"},
                "annotations": {"team": "reports"},
            },
            "spec": crontask("c", json!({}))["spec"]["taskTemplate"]["spec"],
        });
        let (cron, last) =
            Cron::last_run(&stage, "c", json!({"taskTemplate": template}), 61).await?;
        let at = last + SignedDuration::from_hours(1);
        let name = task_at("c", at);
        let told = cron.until("Scheduled", "TaskCreated").await?;

        let task = stage.kubetask("Task").get(&name).await?;
        let labels = json!({"app": "daily-report", "kubetask.io/crontask": "c"});
        ensure!(json!(task.labels()) == labels, "{:?}", task.labels());
        let annotations = json!({"team": "reports", "kubetask.io/scheduled-at": at.to_string()});
        ensure!(json!(task.annotations()) == annotations, "{:?}", task.annotations());
        let owners = task.owner_references();
        let [owner] = owners else { anyhow::bail!("owners: {owners:?}") };
        ensure!(owner.kind == "CronTask" && owner.controller == Some(true), "{owner:?}");
        ensure!(Some(&owner.uid) == told.metadata.uid.as_ref() && owner.name == "c", "{owner:?}");

        let status = cron.status().await?;
        let condition =
            joch_tests::objects::condition(&told, "Scheduled").context("no condition")?;
        ensure!(condition["message"] == format!("Created Task {name}"), "{condition}");
        ensure!(status["lastScheduleTime"] == at.to_string(), "{status}");
        let next = at + SignedDuration::from_hours(1);
        ensure!(status["nextScheduleTime"] == next.to_string(), "{status}");
        ensure!(status["active"][0]["uid"] == json!(task.uid()), "{status}");
        ensure!(
            status["observedGeneration"].is_i64() && status["updatedAt"].is_string(),
            "{status}"
        );

        let done = cron.completes(&name).await?;
        let status = eventually("the success is told", LONG, async || {
            let status = cron.status().await?;
            ensure!(status["lastSuccessfulTime"].is_string(), "{status}");
            Ok(status)
        })
        .await?;
        ensure!(
            Some(&status["lastSuccessfulTime"]) == done.data.pointer("/status/completionTime"),
            "{status}"
        );
        ensure!(status.get("active").is_none(), "{status}");

        // What kubectl shows, where a date that is to come has to be readable.
        let shown = cluster.kubectl(&["get", "ctk", "-n", &stage.namespace]).await?;
        for wanted in [
            "SCHEDULE",
            "SUSPEND",
            "ACTIVE",
            "LAST SCHEDULE",
            "NEXT",
            "@every 1h",
            &next.to_string(),
        ] {
            ensure!(shown.contains(wanted), "{wanted:?} is not in {shown}");
        }
        Ok(())
    })
}

#[test]
fn kt_83_89_resuming_starts_the_last_missed_run_only_and_counts_the_others() -> Result<()> {
    on_cluster("crontask::resume", async |cluster| {
        let stage = Stage::new(cluster, "crontask::resume", &["kubetask"]).await?;
        let host = stage.host().await?;
        let mut suspended =
            crontask("c", json!({"concurrencyPolicy": "Allow", "schedule": "@every 10m"}));
        suspended["spec"]["suspend"] = json!(true);
        let cron = Cron::create(&stage, &suspended).await?;
        let last = super::ago(35);
        cron.patch_status(json!({"lastScheduleTime": last.to_string()})).await?;
        let key = format!("CronTask {}/c", stage.namespace);
        let before = host.log()?.finished(&key);
        touch(&cron.api, "c", "suspended").await?;
        eventually("it is reconciled while suspended", LONG, async || {
            ensure!(host.log()?.finished(&key) > before, "not yet");
            Ok(())
        })
        .await?;
        cron.until_runs(&[]).await?;
        let status = cron.status().await?;
        ensure!(status.get("nextScheduleTime").is_none(), "nothing is next: {status}");

        cron.patch(json!({"suspend": false})).await?;
        let told = cron.until("RunsMissed", "RunsMissed").await?;
        let name = task_at("c", last + SignedDuration::from_mins(30));
        cron.until_runs(&[&name]).await?;
        let missed = joch_tests::objects::condition(&told, "RunsMissed").context("no condition")?;
        ensure!(missed.to_string().contains("2 runs between"), "{missed}");
        let events =
            cluster.kubectl(&["get", "events.events.k8s.io", "-n", &stage.namespace]).await?;
        ensure!(events.contains("RunsMissed"), "{events}");

        cron.patch(json!({"suspend": true})).await?;
        eventually("the next time is taken back", LONG, async || {
            let status = cron.status().await?;
            ensure!(status.get("nextScheduleTime").is_none(), "{status}");
            ensure!(status["active"][0]["name"] == name, "still followed: {status}");
            Ok(())
        })
        .await
    })
}

#[test]
fn kt_95_a_task_is_collected_with_its_crontask() -> Result<()> {
    on_cluster("crontask::deleted", async |cluster| {
        let stage = Stage::new(cluster, "crontask::deleted", &["kubetask"]).await?;
        let _host = stage.host().await?;
        let (cron, last) = Cron::last_run(&stage, "c", json!({}), 61).await?;
        let name = task_at("c", last + SignedDuration::from_hours(1));
        cron.until_runs(&[&name]).await?;
        cron.api.delete("c", &DeleteParams::default()).await?;
        eventually("the Task is garbage-collected", LONG, async || {
            ensure!(cron.tasks.get_opt(&name).await?.is_none(), "it is there");
            Ok(())
        })
        .await
    })
}

#[test]
fn kt_97_a_crontask_that_waits_causes_no_write() -> Result<()> {
    on_cluster("crontask::settled", async |cluster| {
        let stage = Stage::new(cluster, "crontask::settled", &["kubetask"]).await?;
        let host = stage.host().await?;
        let (waits, _) = Cron::last_run(&stage, "waits", json!({}), 61).await?;
        waits.until("Scheduled", "TaskCreated").await?;
        let broken =
            Cron::create(&stage, &crontask("broken", json!({"schedule": "61 * * * *"}))).await?;
        broken.until("Scheduled", "InvalidSchedule").await?;
        // The sample of the seed, on its way to nine o'clock.
        let sample =
            std::fs::read_to_string(paths::root().join("examples/kubetask/crontask.yaml"))?;
        let mut sample: Value = serde_norway::from_str(&sample)?;
        sample["metadata"]["namespace"] = json!(stage.namespace);
        let sample = Cron::create(&stage, &sample).await?;
        let told = sample.until("Scheduled", "ScheduleValid").await?;
        let next = told.data.pointer("/status/nextScheduleTime").and_then(Value::as_str);
        ensure!(next.is_some_and(|next| next.ends_with("T09:00:00Z")), "{next:?}");

        let mark = stage.proxy.record().mark();
        settled(&stage, &host, &[&waits, &broken, &sample], mark).await?;
        ensure!(stage.proxy.record().posts("tasks", &stage.namespace) == 1, "one Task, once");
        Ok(())
    })
}
