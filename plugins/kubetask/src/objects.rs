//! What is read of each object: only what decisions are made on.
//!
//! Each type that is parsed costs the component some 3 KB, hence these: statuses without what is only
//! written, and Kubernetes' own kinds with the metadata type that the Task has too.

use std::collections::BTreeMap;

use joch_crds::{
    kubetask::{AgentSpec, KubeTaskConfigSpec, TaskPhase, TaskSpec},
    meta::{Object, ObjectMeta},
};
use serde::{Deserialize, de::IgnoredAny};

/// A Task.
pub type Task = Object<TaskSpec, Seen>;

/// An Agent.
pub type Agent = Object<AgentSpec, IgnoredAny>;

/// The settings of a namespace.
pub type Config = Object<KubeTaskConfigSpec, IgnoredAny>;

/// What of a Task's status is read again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Seen {
    /// Phase of the execution.
    pub phase: Option<TaskPhase>,
    /// When the work ended, as the host said.
    pub completion_time: Option<String>,
    /// The generation that the status speaks of.
    pub observed_generation: Option<i64>,
    /// When the status was written.
    pub updated_at: Option<String>,
    /// Aspects of the state, by type.
    pub conditions: Vec<Condition>,
}

/// An object of which only the metadata matters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Head {
    /// The metadata.
    pub metadata: ObjectMeta,
}

/// The contents of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Texts {
    /// Texts by key.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}

/// A Job, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Job {
    /// The metadata.
    pub metadata: ObjectMeta,
    /// What became of it so far.
    #[serde(default)]
    pub status: JobStatus,
}

/// What became of a Job so far.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct JobStatus {
    /// How many pods succeeded.
    pub succeeded: u32,
    /// How many pods failed.
    pub failed: u32,
    /// `Complete`, `Failed` and the like.
    pub conditions: Vec<Condition>,
}

/// One condition, of a Task or a Job.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// When `status` flipped last.
    pub last_transition_time: Option<String>,
}

impl Job {
    /// The condition of this type, if it holds.
    #[must_use]
    pub fn holds(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|c| c.kind == kind && c.status == "True")
    }
}
