//! Kubernetes' own kinds that most controllers meet, slim: the parts that decisions are made on. Those
//! of k8s-openapi would grow a component eightfold; for more, see [`Kind::of`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Condition, Kind, ObjectMeta, Timestamp};

/// A ConfigMap.
///
/// ```
/// use joch_plugin::ConfigMap;
///
/// let data = [("text".to_owned(), "Hello".to_owned())].into();
/// let map = ConfigMap { data, ..ConfigMap::default() }; // a body for `apply`
/// # assert_eq!(serde_json::to_value(map).unwrap()["data"]["text"], "Hello");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct ConfigMap {
    /// The metadata.
    pub metadata: ObjectMeta,
    /// Texts by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}

impl ConfigMap {
    /// `v1/ConfigMap`.
    pub const KIND: Kind<Self> = Kind::new("v1", "ConfigMap");
}

/// A Job as its owner sees it: what became of it. To start one, give [`start_job`] any JSON.
///
/// ```
/// use joch_plugin::{Job, JobOutcome};
/// # use serde_json::json;
///
/// # let complete = json!([{ "type": "Complete", "status": "True" }]);
/// # let job: Job = serde_json::from_value(json!({ "status": { "conditions": complete } })).unwrap();
/// let phase = match job.outcome() {
///     None => "Running",
///     Some(JobOutcome::Complete) => "Completed",
///     Some(JobOutcome::Failed(_)) => "Failed",
/// };
/// # assert_eq!(phase, "Completed");
/// ```
///
/// [`start_job`]: crate::Context::start_job
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Job {
    /// The metadata.
    pub metadata: ObjectMeta,
    /// The part of the spec that says whether it may run.
    pub spec: JobSpec,
    /// What became of it so far.
    pub status: JobStatus,
}

/// The part of a Job's spec that says whether it may run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JobSpec {
    /// Whether it is held back, by a person or by a queue such as Kueue.
    pub suspend: bool,
}

/// What became of a Job so far.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// How many pods are pending or running.
    pub active: u32,
    /// How many pods succeeded.
    pub succeeded: u32,
    /// How many pods failed.
    pub failed: u32,
    /// `Complete`, `Failed`, `Suspended` and the like.
    pub conditions: Vec<Condition>,
    /// When the Job controller began with it.
    pub start_time: Option<Timestamp>,
    /// When it succeeded; a failed Job has none.
    pub completion_time: Option<Timestamp>,
}

/// How a Job ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum JobOutcome<'a> {
    /// It succeeded.
    Complete,
    /// It failed; the condition has the reason and the time.
    Failed(&'a Condition),
}

impl Job {
    /// `batch/v1/Job`.
    pub const KIND: Kind<Self> = Kind::new("batch/v1", "Job");

    /// How the Job ended; none while it may still run. Counts of pods do not tell: a failed pod may be
    /// followed by another one.
    pub fn outcome(&self) -> Option<JobOutcome<'_>> {
        let holds = |condition: &&Condition| condition.is_true();
        self.status.conditions.iter().filter(holds).find_map(|condition| match &*condition.r#type {
            "Complete" => Some(JobOutcome::Complete),
            "Failed" => Some(JobOutcome::Failed(condition)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(status: serde_json::Value) -> Job {
        serde_json::from_value(json!({ "kind": "Job", "status": status })).unwrap()
    }

    #[test]
    fn a_job_ends_by_its_conditions_not_by_its_counts() {
        assert_eq!(job(json!({})).outcome(), None);
        assert_eq!(job(json!({ "failed": 1, "active": 1 })).outcome(), None);
        let conditions = json!([
            { "type": "FailureTarget", "status": "True" },
            { "type": "Complete", "status": "False" },
            { "type": "Failed", "status": "True", "reason": "DeadlineExceeded",
              "lastProbeTime": "2026-11-21T07:00:00Z" },
        ]);
        let failed = job(json!({ "conditions": conditions }));
        let Some(JobOutcome::Failed(condition)) = failed.outcome() else { panic!("not failed") };
        assert_eq!(condition.reason, "DeadlineExceeded");
        let conditions = json!([{ "type": "Complete", "status": "True" }]);
        assert_eq!(job(json!({ "conditions": conditions })).outcome(), Some(JobOutcome::Complete));
    }
}
