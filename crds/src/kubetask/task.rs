//! Task: one piece of work for an agent.

use serde::{Deserialize, Serialize};

use super::context::Context;
use crate::meta::Condition;

#[cfg(feature = "generate")]
use {
    super::context::MAX_CONTEXTS,
    crate::generate::{Column, CustomResource, Names, Rule},
    schemars::JsonSchema,
};

super::kind! {
    /// One piece of work: a Job runs an agent on the given contexts.
    Task, TaskSpec, TaskStatus
}

/// What is to be done and who does it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct TaskSpec {
    /// The files that the agent works with, after those of the Agent itself.
    #[cfg_attr(feature = "generate", schemars(length(max = MAX_CONTEXTS)))]
    pub contexts: Vec<Context>,
    /// Name of the Agent in the same namespace; "default" if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(
        length(max = 253),
        extend("pattern" = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"),
    ))]
    pub agent_ref: Option<String>,
}

/// How the work goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct TaskStatus {
    /// Phase of the execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<TaskPhase>,
    /// Name of the Job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// When the Job was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub start_time: Option<String>,
    /// When the work ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub completion_time: Option<String>,
    /// Same as startTime, under the name that all kinds share.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub started_at: Option<String>,
    /// Same as completionTime, under the name that all kinds share.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub finished_at: Option<String>,
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

/// Phases of a Task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum TaskPhase {
    /// Accepted; waits for something that a condition names.
    Pending,
    /// The Job exists.
    Running,
    /// The Job succeeded.
    Completed,
    /// The Job failed, or could not be started.
    Failed,
}

impl TaskPhase {
    /// Whether the phase is never left.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

#[cfg(feature = "generate")]
impl CustomResource for Task {
    type Spec = TaskSpec;
    type Status = TaskStatus;
    const DESCRIPTION: &'static str = "Task is one piece of work for an AI agent, run as a Job.";
    const NAMES: Names = Names { plural: "tasks", singular: "task", short: &["tk"] };
    // The contexts of the Agent may be all there is to do.
    const SPEC_REQUIRED: bool = false;
    const COLUMNS: &'static [Column] = &[
        Column::new("Phase", "string", ".status.phase"),
        Column::new("Job", "string", ".status.jobName"),
        Column::wide("Agent", "string", ".spec.agentRef"),
        Column::wide("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
        Column::wide("Finished", "date", ".status.completionTime"),
        Column::AGE,
    ];
    const SELECTABLE: &'static [&'static str] = &[".spec.agentRef", ".status.phase"];
    const RULES: &'static [Rule] = &[
        Rule::on_create(
            "size(self.metadata.name) <= 59",
            "the name of a Task has at most 59 characters, because its Job is named <task>-job",
        ),
        Rule::new(
            "!has(oldSelf.status) || !has(oldSelf.status.phase) \
             || !(oldSelf.status.phase in ['Completed', 'Failed']) \
             || (has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase)",
            "a finished Task never changes its phase",
        ),
        Rule::set_once("startTime"),
        Rule::set_once("completionTime"),
        Rule::set_once("startedAt"),
        Rule::set_once("finishedAt"),
    ];
}
