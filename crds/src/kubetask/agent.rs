//! Agent: how Tasks are executed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::Context;
use crate::meta::SettingsStatus;

#[cfg(feature = "generate")]
use {
    super::context::{MAX_CONTEXTS, MOUNTABLE, NAME},
    crate::generate::{Column, CustomResource, Names},
    schemars::JsonSchema,
};

/// Value of a label, as Kubernetes allows it.
#[cfg(feature = "generate")]
const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

super::kind! {
    /// The image, permissions and tools with which Tasks are executed.
    Agent, AgentSpec, SettingsStatus
}

/// How Tasks are executed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct AgentSpec {
    /// Image of the agent container; a built-in one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(max = 4096)))]
    pub agent_image: Option<String>,
    /// Command of the agent container; the image's own if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 10_000)))]
    pub command: Vec<String>,
    /// Keeps the container alive after the work, for a look inside. Needs command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_in_the_loop: Option<HumanInTheLoop>,
    /// Contexts of every Task of this Agent, before the Task's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = MAX_CONTEXTS)))]
    pub default_contexts: Vec<Context>,
    /// Secrets that the agent gets, as environment variables or files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(
        length(max = 64),
        extend("x-kubernetes-validations" = [{
            "rule": "self.all(a, !has(a.mountPath) || a.mountPath == '' \
                     || self.exists_one(b, has(b.mountPath) && b.mountPath == a.mountPath))",
            "message": "two credentials have the same mountPath",
        }]),
    ))]
    pub credentials: Vec<Credential>,
    /// Further labels of the pods. The controller's own, app and kubetask.io/task, cannot be replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "generate", schemars(
        extend("additionalProperties" = {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE})
    ))]
    pub pod_labels: BTreeMap<String, String>,
    /// Where the pods may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<PodScheduling>,
    /// ServiceAccount of the pods.
    #[cfg_attr(feature = "generate", schemars(
        length(min = 1, max = 253),
        extend("pattern" = NAME),
    ))]
    pub service_account_name: String,
}

/// Keeps the container alive after the work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct HumanInTheLoop {
    /// Whether to do so.
    pub enabled: bool,
    /// For how many seconds; less than 0 is as 0.
    #[serde(default = "one_hour")]
    pub keep_alive_seconds: i32,
}

/// One key of a Secret, given to the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
#[cfg_attr(feature = "generate", schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.mountPath) || !has(self.fileMode) || (self.fileMode >= 0 && self.fileMode <= 511)",
    "message": "fileMode must be between 0 and 0777 (decimal 511)",
}, {
    "rule": "(self.secretRef.name != '' && self.secretRef.key != '') \
             || ((!has(self.env) || self.env == '') && (!has(self.mountPath) || self.mountPath == ''))",
    "message": "a credential with env or mountPath needs secretRef.name and secretRef.key",
}])))]
pub struct Credential {
    /// A name for people.
    pub name: String,
    /// The Secret and its key.
    pub secret_ref: SecretKeyReference,
    /// Environment variable that holds the value: printable ASCII without an equals sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(max = 4096), extend("pattern" = "^[ -<>-~]*$")))]
    pub env: Option<String>,
    /// File that holds the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(max = 4096), extend("pattern" = MOUNTABLE)))]
    pub mount_path: Option<String>,
    /// Mode of that file; 0600 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_mode: Option<i32>,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct SecretKeyReference {
    /// Name of the Secret.
    #[cfg_attr(feature = "generate", schemars(length(max = 253)))]
    pub name: String,
    /// Key in the Secret.
    #[cfg_attr(feature = "generate", schemars(length(max = 253)))]
    pub key: String,
}

/// Where pods may run, as in a PodSpec.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct PodScheduling {
    /// Labels that the node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 1000)))]
    pub tolerations: Vec<Toleration>,
    /// Affinity and anti-affinity, as in a PodSpec.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(
        extend("type" = "object", "x-kubernetes-preserve-unknown-fields" = true)
    ))]
    pub affinity: Option<Value>,
}

/// One tolerated taint, as in a PodSpec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct Toleration {
    /// Key of the taint; every key if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Exists or Equal (the default).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Value of the taint, for Equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Effect of the taint; every effect if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// For how long a NoExecute taint is tolerated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

#[cfg(feature = "generate")]
impl CustomResource for Agent {
    type Spec = AgentSpec;
    type Status = SettingsStatus;
    const DESCRIPTION: &'static str = "Agent says how Tasks are executed: AI, permissions, tools.";
    const NAMES: Names = Names { plural: "agents", singular: "agent", short: &["ag"] };
    const SPEC_REQUIRED: bool = true;
    const COLUMNS: &'static [Column] = &[
        Column::new("Image", "string", ".spec.agentImage"),
        Column::new("Service Account", "string", ".spec.serviceAccountName"),
        Column::wide("Human", "boolean", ".spec.humanInTheLoop.enabled"),
        Column::AGE,
    ];
}

fn one_hour() -> i32 {
    3600
}
