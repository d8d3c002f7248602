//! KubeTaskConfig: settings for all Tasks of a namespace.

use serde::{Deserialize, Serialize};

use crate::meta::SettingsStatus;

#[cfg(feature = "generate")]
use {
    crate::generate::{Column, CustomResource, Names},
    schemars::JsonSchema,
};

super::kind! {
    /// Settings for all Tasks of a namespace; the one named "default" counts.
    KubeTaskConfig, KubeTaskConfigSpec, SettingsStatus
}

/// Settings for all Tasks of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct KubeTaskConfigSpec {
    /// How long finished Tasks are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_lifecycle: Option<TaskLifecycle>,
}

/// How long finished Tasks are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct TaskLifecycle {
    /// Seconds after which a finished Task is deleted; 0 keeps it for ever.
    #[cfg_attr(feature = "generate", schemars(range(min = 0)))]
    pub ttl_seconds_after_finished: i32,
}

impl Default for TaskLifecycle {
    fn default() -> Self {
        Self { ttl_seconds_after_finished: 7 * 24 * 60 * 60 }
    }
}

#[cfg(feature = "generate")]
impl CustomResource for KubeTaskConfig {
    type Spec = KubeTaskConfigSpec;
    type Status = SettingsStatus;
    const DESCRIPTION: &'static str = "KubeTaskConfig holds settings for all Tasks of its namespace; the one named \"default\" counts.";
    const NAMES: Names =
        Names { plural: "kubetaskconfigs", singular: "kubetaskconfig", short: &["ktc"] };
    const SPEC_REQUIRED: bool = false;
    const COLUMNS: &'static [Column] = &[
        Column::new("TTL", "integer", ".spec.taskLifecycle.ttlSecondsAfterFinished"),
        Column::AGE,
    ];
}
