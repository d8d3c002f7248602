//! CronTasks on a real control plane, by the cases KT-80 to KT-97.
//!
//! Nobody waits for a clock: a run is made due by a `lastScheduleTime` in the past, on a schedule whose next
//! tick lies far ahead.

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use joch_tests::host::Host;
use joch_tests::objects::{condition, create, end_pod, phase, touch, until_job, until_phase};
use joch_tests::stage::Stage;
use joch_tests::wait::{LONG, eventually};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

mod faults;
mod life;
mod policies;
mod rules;
mod upstream;

/// One CronTask, and the Tasks of its namespace.
struct Cron {
    api: Api<DynamicObject>,
    tasks: Api<DynamicObject>,
    name: String,
    stage_client: kube::Client,
    namespace: String,
}

/// A CronTask that is due every hour, counted from its last run, with more of a spec.
pub(crate) fn crontask(name: &str, spec: Value) -> Value {
    let mut crontask = json!({
        "apiVersion": "kubetask.io/v1alpha1", "kind": "CronTask", "metadata": {"name": name},
        "spec": {"schedule": "@every 1h", "taskTemplate": {"spec": {"contexts": [
            {"type": "File", "file": {"filePath": "/workspace/task.md", "source": {"inline": "Report."}}},
        ]}}},
    });
    let fields = crontask.pointer_mut("/spec").and_then(Value::as_object_mut);
    if let (Some(fields), Value::Object(more)) = (fields, spec) {
        fields.extend(more);
    }
    crontask
}

/// So many minutes ago, in whole seconds.
fn ago(minutes: i64) -> Timestamp {
    let now = Timestamp::now();
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    whole - SignedDuration::from_mins(minutes)
}

/// The name of the Task for a time.
fn task_at(name: &str, time: Timestamp) -> String {
    format!("{name}-{}", time.as_second())
}

impl Cron {
    /// Creates a CronTask that ran last so many minutes ago; it is suspended until that is told.
    async fn last_run(
        stage: &Stage,
        name: &str,
        spec: Value,
        minutes: i64,
    ) -> Result<(Self, Timestamp)> {
        let mut suspended = crontask(name, spec);
        if let Some(spec) = suspended.pointer_mut("/spec").and_then(Value::as_object_mut) {
            spec.insert("suspend".to_owned(), json!(true));
        }
        let cron = Self::create(stage, &suspended).await?;
        let last = ago(minutes);
        cron.patch_status(json!({"lastScheduleTime": last.to_string()})).await?;
        cron.patch(json!({"suspend": false})).await?;
        Ok((cron, last))
    }

    async fn create(stage: &Stage, object: &Value) -> Result<Self> {
        let (api, tasks) = (stage.kubetask("CronTask"), stage.kubetask("Task"));
        let name = create(&api, object).await?.name_any();
        let (stage_client, namespace) = (stage.client.clone(), stage.namespace.clone());
        Ok(Self { api, tasks, name, stage_client, namespace })
    }

    async fn get(&self) -> Result<DynamicObject> {
        Ok(self.api.get(&self.name).await?)
    }

    async fn status(&self) -> Result<Value> {
        Ok(self.get().await?.data.get("status").cloned().unwrap_or_default())
    }

    async fn patch(&self, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.api.patch(&self.name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn patch_status(&self, status: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"status": status}));
        self.api.patch_status(&self.name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Waits until a condition has this reason; the object then.
    async fn until(&self, kind: &str, reason: &str) -> Result<DynamicObject> {
        eventually(&format!("{} tells {kind}/{reason}", self.name), LONG, async || {
            let object = self.get().await?;
            let told = condition(&object, kind).and_then(|found| found.get("reason"));
            ensure!(told == Some(&json!(reason)), "its status is {:?}", object.data.get("status"));
            Ok(object)
        })
        .await
    }

    /// The names of the Tasks that it owns, in order.
    async fn runs(&self) -> Result<Vec<String>> {
        let uid = self.get().await?.uid().unwrap_or_default();
        let list = self.tasks.list(&ListParams::default()).await?;
        let owned = list
            .into_iter()
            .filter(|task| task.owner_references().iter().any(|owner| owner.uid == uid));
        let mut names: Vec<String> = owned.map(|task| task.name_any()).collect();
        names.sort();
        Ok(names)
    }

    /// Waits until it owns exactly these Tasks.
    async fn until_runs(&self, expected: &[&str]) -> Result<()> {
        eventually(&format!("{} owns {expected:?}", self.name), LONG, async || {
            let runs = self.runs().await?;
            ensure!(runs == expected, "it owns {runs:?}");
            Ok(())
        })
        .await
    }

    /// The names that its status tells as active.
    async fn active(&self) -> Result<Vec<String>> {
        let status = self.status().await?;
        let active = status.get("active").and_then(Value::as_array).cloned().unwrap_or_default();
        let names =
            active.iter().map(|one| one.get("name").and_then(Value::as_str).map(str::to_owned));
        names.collect::<Option<_>>().context("a reference without name")
    }

    /// Waits until a Task runs, and lets its pod end well.
    async fn completes(&self, task: &str) -> Result<DynamicObject> {
        until_phase(&self.tasks, task, "Running").await?;
        until_job(&self.stage_client, &self.namespace, &format!("{task}-job")).await?;
        end_pod(&self.stage_client, &self.namespace, &format!("{task}-job"), "Succeeded").await?;
        until_phase(&self.tasks, task, "Completed").await
    }

    /// Creates a Task of this CronTask as the controller would, which has ended in a phase.
    async fn finished(&self, minutes: i64, wanted: &str) -> Result<String> {
        let owner = self.get().await?;
        let at = ago(minutes);
        let name = task_at(&self.name, at);
        let task = json!({
            "apiVersion": "kubetask.io/v1alpha1", "kind": "Task", "spec": {"contexts": []},
            "metadata": {"name": name, "ownerReferences": [{
                "apiVersion": "kubetask.io/v1alpha1", "kind": "CronTask", "name": self.name,
                "uid": owner.uid(), "controller": true,
            }]},
        });
        create(&self.tasks, &task).await?;
        let status =
            Patch::Merge(json!({"status": {"phase": wanted, "completionTime": at.to_string()}}));
        let ended = self.tasks.patch_status(&name, &PatchParams::default(), &status).await?;
        ensure!(phase(&ended) == wanted, "{ended:?}");
        Ok(name)
    }
}

/// Wakes each CronTask a few times and sees that none is written after `mark`.
async fn settled(stage: &Stage, host: &Host, crons: &[&Cron], mark: usize) -> Result<()> {
    for cron in crons {
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
}
