//! CronTask: Tasks on a schedule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::task::TaskSpec;
use crate::meta::{Condition, ObjectReference};

#[cfg(feature = "generate")]
use {
    crate::generate::{Column, CustomResource, Names, Rule},
    schemars::JsonSchema,
};

super::kind! {
    /// Creates a Task whenever its schedule says so.
    CronTask, CronTaskSpec, CronTaskStatus
}

/// When Tasks are created, and which.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
#[cfg_attr(feature = "generate", schemars(extend("x-kubernetes-validations" = [
    {
        "rule": r"self.schedule.matches('^((CRON_)?TZ=[^ ]* )?\\s*(@[a-z]+( [^ ]+)?|([^\\s@]+\\s+){4}[^\\s]+)\\s*$')",
        "message": "schedule must be five fields (minute, hour, day of month, month, day of week), or \
                    @hourly, @daily, @weekly, @monthly, @yearly or @every and a duration such as 1h30m; \
                    TZ=<zone> may stand before it",
        "fieldPath": ".schedule",
    },
    {
        "rule": "!has(self.timeZone) || !self.schedule.matches('^(CRON_)?TZ=')",
        "message": "timeZone and a schedule with TZ= exclude each other",
        "fieldPath": ".timeZone",
    },
])))]
pub struct CronTaskSpec {
    /// Cron expression as of a Kubernetes CronJob, for example "0 9 * * *"; in UTC unless timeZone or a prefix
    /// TZ=<zone> says otherwise.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 1024)))]
    pub schedule: String,
    /// Time zone of the schedule by its IANA name, for example "Europe/Berlin"; UTC if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 64)))]
    pub time_zone: Option<String>,
    /// What to do when the previous Task still runs.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// Create no more Tasks; those that run go on. Of the runs missed meanwhile, the last one starts when this
    /// ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How many seconds late a Task may be created: a run that cannot start until then is missed. Without
    /// limit if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(min = 0)))]
    pub starting_deadline_seconds: Option<i64>,
    /// How many completed Tasks are kept.
    #[serde(default = "three")]
    #[cfg_attr(feature = "generate", schemars(range(min = 0)))]
    pub successful_tasks_history_limit: i32,
    /// How many failed Tasks are kept.
    #[serde(default = "one")]
    #[cfg_attr(feature = "generate", schemars(range(min = 0)))]
    pub failed_tasks_history_limit: i32,
    /// The Task to create.
    pub task_template: TaskTemplate,
}

impl Default for CronTaskSpec {
    fn default() -> Self {
        Self {
            schedule: String::new(),
            time_zone: None,
            concurrency_policy: ConcurrencyPolicy::default(),
            suspend: None,
            starting_deadline_seconds: None,
            successful_tasks_history_limit: three(),
            failed_tasks_history_limit: one(),
            task_template: TaskTemplate::default(),
        }
    }
}

/// What to do when the previous Task still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum ConcurrencyPolicy {
    /// Run both.
    Allow,
    /// Skip the new one; it is not made up for.
    #[default]
    Forbid,
    /// Delete the previous one.
    Replace,
}

/// A Task to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct TaskTemplate {
    /// Labels and annotations of the Task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMeta>,
    /// The spec of the Task.
    pub spec: TaskSpec,
}

/// Labels and annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct TemplateMeta {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What the schedule has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct CronTaskStatus {
    /// The Tasks that run now, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 1000)))]
    pub active: Vec<ObjectReference>,
    /// The last time of the schedule that was decided upon: a Task was created for it, or, as the condition
    /// Scheduled then tells, none is going to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub last_schedule_time: Option<String>,
    /// The next time of the schedule; absent while suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub next_schedule_time: Option<String>,
    /// When a Task completed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub last_successful_time: Option<String>,
    /// The generation that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When this status was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub updated_at: Option<String>,
    /// Aspects of the state, by type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    ))]
    pub conditions: Vec<Condition>,
}

#[cfg(feature = "generate")]
impl CustomResource for CronTask {
    type Spec = CronTaskSpec;
    type Status = CronTaskStatus;
    const DESCRIPTION: &'static str = "CronTask creates Tasks on a schedule.";
    const NAMES: Names = Names { plural: "crontasks", singular: "crontask", short: &["ctk"] };
    const SPEC_REQUIRED: bool = true;
    const COLUMNS: &'static [Column] = &[
        Column::new("Schedule", "string", ".spec.schedule"),
        Column::new("Suspend", "boolean", ".spec.suspend"),
        // The oldest one: a column cannot count.
        Column::new("Active", "string", ".status.active[*].name"),
        Column::new("Last Schedule", "date", ".status.lastScheduleTime"),
        // A text: kubectl shows no dates that are to come.
        Column::new("Next", "string", ".status.nextScheduleTime"),
        Column::wide("Time Zone", "string", ".spec.timeZone"),
        Column::wide("Last Success", "date", ".status.lastSuccessfulTime"),
        Column::AGE,
    ];
    const RULES: &'static [Rule] = &[Rule::on_create(
        "size(self.metadata.name) <= 48",
        "the name of a CronTask has at most 48 characters, because its Jobs are named <crontask>-<unix time>-job",
    )];
}

fn three() -> i32 {
    3
}

fn one() -> i32 {
    1
}
