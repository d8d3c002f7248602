//! The Tasks of a CronTask: how they are made, named and recognised.

use joch_crds::meta::ObjectReference;
use serde_json::{Value, json};

use super::objects::{CronTask, Run, rfc3339};

/// The label that says which CronTask a Task is of.
pub const LABEL: &str = "kubetask.io/crontask";
/// The annotation that says for which time a Task was created.
pub const SCHEDULED_AT: &str = "kubetask.io/scheduled-at";

/// The name of the Task for a time: the same whenever it is asked for.
#[must_use]
pub fn name(cron: &CronTask, at: i64) -> String {
    format!("{}-{at}", cron.metadata.name)
}

/// The Task for a time. What tells its origin is the controller's, whatever the template says.
#[must_use]
pub fn task(cron: &CronTask, name: &str, at: i64) -> Value {
    let template = &cron.spec.task_template;
    let mut meta = template.metadata.clone().unwrap_or_default();
    meta.labels.insert(LABEL.to_owned(), cron.metadata.name.clone());
    meta.annotations.insert(SCHEDULED_AT.to_owned(), rfc3339(at));
    json!({
        "metadata": { "name": name, "labels": meta.labels, "annotations": meta.annotations },
        "spec": template.spec,
    })
}

/// A Task as `active` names it.
#[must_use]
pub fn reference(run: &Run) -> ObjectReference {
    ObjectReference {
        api_version: Some("kubetask.io/v1alpha1".to_owned()),
        kind: Some("Task".to_owned()),
        name: Some(run.metadata.name.clone()),
        namespace: Some(run.metadata.namespace.clone()),
        uid: run.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}
