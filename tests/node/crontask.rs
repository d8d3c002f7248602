//! A CronTask on a real node, by a real clock: the next full minute makes a Task whose pod runs to its end.

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use joch_tests::objects::{condition, create, kubetask, until_phase};
use joch_tests::paths;
use joch_tests::suite::on_node;
use joch_tests::wait::{LONG, eventually};
use serde_json::{Value, json};

use crate::task::{NAMESPACE, host, log_of};

#[test]
fn kt_80_93_97_every_minute_a_task_runs_in_a_pod_to_its_end() -> Result<()> {
    on_node("node::crontask", async |cluster| {
        for manifest in ["1-namespace.yaml", "2-agent.yaml"] {
            cluster
                .apply(&paths::root().join("examples/kubetask/demo").join(manifest), None)
                .await?;
        }
        let _host = host(cluster, "node::crontask").await?;
        let crons = kubetask(cluster.client()?, "CronTask", NAMESPACE);
        let tasks = kubetask(cluster.client()?, "Task", NAMESPACE);
        create(&crons, &json!({
            "apiVersion": "kubetask.io/v1alpha1", "kind": "CronTask", "metadata": {"name": "minutely"},
            "spec": {"schedule": "* * * * *", "taskTemplate": {"spec": {"contexts": [
                {"type": "File", "file": {"filePath": "/workspace/task.md", "source": {"inline": "Report."}}},
            ]}}},
        }))
        .await?;
        let text = |status: &Value, field: &str| status[field].as_str().map(str::to_owned);
        let told = eventually("the first run is told", LONG, async || {
            let cron = crons.get("minutely").await?;
            let scheduled = condition(&cron, "Scheduled").context("no condition")?;
            ensure!(scheduled["reason"] == "TaskCreated", "{scheduled}");
            Ok(cron.data["status"].clone())
        })
        .await?;
        let at: Timestamp = text(&told, "lastScheduleTime").context("no time")?.parse()?;
        ensure!(at.as_second() % 60 == 0, "{at} is no full minute");
        let name = format!("minutely-{}", at.as_second());
        let task = tasks.get(&name).await?;
        let created = task.metadata.creation_timestamp.clone().context("no time")?.0;
        let late = created.as_second() - at.as_second();
        ensure!((0..=10).contains(&late), "created {late} s after {at}");

        let done = until_phase(&tasks, &name, "Completed").await?;
        let said = log_of(cluster, &format!("{name}-job")).await?;
        ensure!(said.contains("| Report."), "the agent read no task: {said}");
        eventually("the success is told", LONG, async || {
            let status = crons.get("minutely").await?.data["status"].clone();
            let success = text(&status, "lastSuccessfulTime").context("not yet")?;
            // A next run may have started by now, but it cannot be that which succeeded first.
            ensure!(
                done.data["status"]["completionTime"].as_str() <= Some(success.as_str()),
                "{status}"
            );
            Ok(())
        })
        .await
    })
}
