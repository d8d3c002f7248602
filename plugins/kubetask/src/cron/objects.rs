//! What is read of CronTasks and their Tasks.

use joch_crds::{
    kubetask::{ConcurrencyPolicy, TaskPhase, TemplateMeta},
    meta::{Object, ObjectMeta},
};
use joch_plugin::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::objects::{Condition, Seen};

/// A CronTask.
pub type CronTask = Object<Wanted, Known>;

/// The parts of a Task that a [`Run`] needs.
pub const RUN_FIELDS: [&str; 2] = ["/status/phase", "/status/completionTime"];

/// What of a CronTask's spec is read. The Task's spec is handed on as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wanted {
    /// When Tasks are created.
    pub schedule: String,
    /// In which time zone.
    pub time_zone: Option<String>,
    /// What to do when the previous Task still runs.
    pub concurrency_policy: ConcurrencyPolicy,
    /// Create no more Tasks.
    pub suspend: Option<bool>,
    /// How late a Task may be created.
    pub starting_deadline_seconds: Option<i64>,
    /// How many completed Tasks are kept.
    pub successful_tasks_history_limit: Option<i32>,
    /// How many failed Tasks are kept.
    pub failed_tasks_history_limit: Option<i32>,
    /// The Task to create.
    pub task_template: Template,
}

/// A Task to be created.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Labels and annotations.
    pub metadata: Option<TemplateMeta>,
    /// The spec.
    pub spec: Value,
}

/// What of a CronTask's status is read again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Known {
    /// The last time of the schedule that was decided upon.
    pub last_schedule_time: Option<String>,
    /// When a Task completed last.
    pub last_successful_time: Option<String>,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// A Task of a CronTask.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Run {
    /// The metadata.
    pub metadata: ObjectMeta,
    /// How far it is.
    pub status: Seen,
}

impl Run {
    /// Whether it has not ended yet. One that is being deleted has.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.metadata.deletion_timestamp.is_none()
            && !self.status.phase.is_some_and(TaskPhase::is_terminal)
    }

    /// Whether it has ended in this phase, and stays.
    #[must_use]
    pub fn has_ended(&self, phase: TaskPhase) -> bool {
        self.metadata.deletion_timestamp.is_none() && self.status.phase == Some(phase)
    }
}

/// Whole seconds since 1970 of a time that the API server has stored.
#[must_use]
pub fn seconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(unix)
}

/// Whole seconds since 1970.
#[must_use]
pub fn unix(time: Timestamp) -> i64 {
    i64::try_from(time.unix_ms() / 1000).unwrap_or(i64::MAX)
}

/// The reverse.
#[must_use]
pub fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000))
}

/// A time as Kubernetes writes it.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    timestamp(seconds).to_string()
}
