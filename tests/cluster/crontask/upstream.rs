//! Upstream's own definition, which lacks our fields and rules.

use anyhow::{Context as _, Result, ensure};
use jiff::SignedDuration;
use joch_tests::objects::{condition, touch};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::{Cron, crontask, task_at};

/// Our definition without what upstream's lacks: fields, bounds, rules, and all below the template's
/// metadata.
fn upstream() -> Result<Value> {
    let file = paths::root().join("crds/kubetask.io_crontasks.yaml");
    let mut definition: Value = serde_norway::from_str(&std::fs::read_to_string(file)?)?;
    let schema = definition
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .and_then(Value::as_object_mut)
        .context("no schema")?;
    schema.remove("x-kubernetes-validations");
    let spec = schema["properties"]["spec"].as_object_mut().context("no spec")?;
    spec.remove("x-kubernetes-validations");
    let fields = spec["properties"].as_object_mut().context("no fields")?;
    for ours in ["timeZone", "startingDeadlineSeconds"] {
        fields.remove(ours).context("not ours after all")?;
    }
    for bounded in ["schedule", "successfulTasksHistoryLimit", "failedTasksHistoryLimit"] {
        let field = fields[bounded].as_object_mut().context("no field")?;
        field.retain(|name, _| !["minLength", "maxLength", "minimum"].contains(&name.as_str()));
    }
    fields["taskTemplate"]["properties"]["metadata"] = json!({"type": "object"});
    let status =
        schema["properties"]["status"]["properties"].as_object_mut().context("no status")?;
    for ours in ["nextScheduleTime", "observedGeneration", "updatedAt"] {
        status.remove(ours).context("not ours after all")?;
    }
    let conditions = status["conditions"].as_object_mut().context("no conditions")?;
    conditions.retain(|name, _| !name.starts_with("x-kubernetes-list"));
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
        for cron in [&runs, &broken, &long] {
            let key = format!("CronTask {}/{}", stage.namespace, cron.name);
            for round in 0..3 {
                let before = host.log()?.finished(&key);
                touch(&cron.api, &cron.name, &round.to_string()).await?;
                eventually(&format!("{key} is reconciled again"), LONG, async || {
                    ensure!(host.log()?.finished(&key) > before, "still {before} reconciles");
                    Ok(())
                })
                .await?;
            }
            let writes =
                stage.proxy.record().writes_to("crontasks", &stage.namespace, &cron.name, mark);
            ensure!(writes.is_empty(), "{}: {writes:?}", cron.name);
        }
        Ok(())
    })
}
