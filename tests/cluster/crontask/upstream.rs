//! Upstream's own definition, which lacks our fields and rules.

use anyhow::{Context as _, Result, ensure};
use jiff::SignedDuration;
use joch_tests::objects::condition;
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::{Cron, crontask, settled, task_at};

/// Our definition without what upstream's lacks: fields, bounds, rules, and all below the template's
/// metadata.
fn upstream() -> Result<Value> {
    let file = paths::root().join("crds/kubetask.io_crontasks.yaml");
    let mut definition: Value = serde_norway::from_str(&std::fs::read_to_string(file)?)?;
    let schema =
        definition.pointer_mut("/spec/versions/0/schema/openAPIV3Schema").context("no schema")?;
    for (place, names) in [
        ("", &["x-kubernetes-validations"][..]),
        ("/properties/spec", &["x-kubernetes-validations"]),
        ("/properties/spec/properties", &["timeZone", "startingDeadlineSeconds"]),
        ("/properties/spec/properties/schedule", &["minLength", "maxLength"]),
        ("/properties/spec/properties/successfulTasksHistoryLimit", &["minimum"]),
        ("/properties/spec/properties/failedTasksHistoryLimit", &["minimum"]),
        ("/properties/spec/properties/taskTemplate/properties/metadata", &["properties"]),
        ("/properties/status/properties", &["nextScheduleTime", "observedGeneration", "updatedAt"]),
        ("/properties/status/properties/active", &["maxItems"]),
        (
            "/properties/status/properties/conditions",
            &["x-kubernetes-list-type", "x-kubernetes-list-map-keys"],
        ),
    ] {
        let part = schema.pointer_mut(place).and_then(Value::as_object_mut);
        let part = part.with_context(|| format!("no {place}"))?;
        for name in names {
            part.remove(*name).with_context(|| format!("{place} has no {name}"))?;
        }
    }
    Ok(definition)
}

#[test]
fn on_upstreams_definition_crontasks_work_and_nothing_loops() -> Result<()> {
    on_bare_cluster("crontask::upstream", async |cluster| {
        let stage = Stage::new(cluster, "crontask::upstream", &["kubetask"]).await?;
        cluster.apply(&paths::root().join("crds"), None).await?;
        let file = stage.folder.join("crontasks.json");
        std::fs::write(&file, upstream()?.to_string())?;
        cluster.apply(&file, None).await?;
        let host = stage.host().await?;

        let template = json!({
            "metadata": {"labels": {"app": "pruned"}},
            "spec": crontask("c", json!({}))["spec"]["taskTemplate"]["spec"],
        });
        let spec = json!({"taskTemplate": template, "failedTasksHistoryLimit": -1});
        let (runs, last) = Cron::last_run(&stage, "runs", spec, 61).await?;
        runs.until("Scheduled", "TaskCreated").await?;
        let name = task_at("runs", last + SignedDuration::from_hours(1));
        let task = runs.tasks.get(&name).await?;
        ensure!(
            json!(task.labels()) == json!({"kubetask.io/crontask": "runs"}),
            "{:?}",
            task.labels()
        );
        ensure!(runs.active().await? == [name.as_str()], "{:?}", runs.status().await?);
        let status = runs.status().await?;
        ensure!(
            status.get("nextScheduleTime").is_none(),
            "the definition has it after all: {status}"
        );

        let broken =
            Cron::create(&stage, &crontask("broken", json!({"schedule": "every day"}))).await?;
        let told = broken.until("Scheduled", "InvalidSchedule").await?;
        let invalid = condition(&told, "Scheduled").context("no condition")?;
        let message = "Invalid cron schedule: expected exactly 5 fields, found 2: [every day]";
        ensure!(invalid["message"] == message, "{invalid}");
        let long = "c".repeat(49);
        let long = Cron::create(&stage, &crontask(&long, json!({}))).await?;
        long.until("Scheduled", "InvalidName").await?;

        let mark = stage.proxy.record().mark();
        settled(&stage, &host, &[&runs, &broken, &long], mark).await?;
        Ok(())
    })
}
