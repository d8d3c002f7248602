//! What an operator grants a plugin: the same rules as in a grants file, in the spelling of the API.

use serde::{Deserialize, Serialize};

#[cfg(feature = "generate")]
use schemars::JsonSchema;

/// What a plugin may do, of what its manifest asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct PluginGrants {
    /// A whole set of grants by name.
    pub allow: Allow,
    /// Whether dangerous requests are granted too: writes on pods, workloads, RBAC, Secrets and the like.
    pub dangerous: bool,
    /// Calls to the API, rule by rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 64)))]
    pub kube: Vec<KubeGrant>,
    /// Starting Jobs within these bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobGrant>,
    /// Outgoing HTTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 64)))]
    pub http: Vec<HttpGrant>,
    /// Use of Secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 64)))]
    pub secrets: Vec<SecretGrant>,
}

/// A whole set of grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum Allow {
    /// Reading what the manifest asks to read.
    #[default]
    ReadOnly,
    /// Whatever the manifest asks for.
    Requested,
}

/// In which namespaces a grant holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum GrantScope {
    /// The namespace of the object being reconciled.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// Cluster-scoped objects.
    Cluster,
    /// Those that `namespaces` lists.
    Listed,
}

/// Some verbs on some kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct KubeGrant {
    /// The verbs: get, list, watch, create, update, patch, delete.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 7)))]
    pub verbs: Vec<String>,
    /// The kinds, as v1/ConfigMap or batch/v1/Job.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 64)))]
    pub kinds: Vec<String>,
    /// If not empty, the grant is about these subresources and not about the objects themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 16)))]
    pub subresources: Vec<String>,
    /// Where.
    #[serde(default)]
    pub scope: GrantScope,
    /// The namespaces, with scope listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 256)))]
    pub namespaces: Vec<String>,
}

/// Starting Jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct JobGrant {
    /// Service accounts that pods may run as; * is any.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 64)))]
    pub service_accounts: Vec<String>,
    /// Whether pods may use Secrets of their namespace.
    #[serde(default)]
    pub secrets: JobSecrets,
    /// Images that may be run; a trailing * matches any ending.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 64)))]
    pub images: Vec<String>,
    /// The pod security profile that is enforced.
    #[serde(default)]
    pub profile: PodProfile,
    /// How many Jobs may be unfinished at once.
    pub max_active: u32,
}

/// Whether pods may use Secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum JobSecrets {
    /// No Secrets.
    #[default]
    None,
    /// Those of the Job's own namespace.
    SameNamespace,
}

/// The pod security standard that a Job's pods have to meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum PodProfile {
    /// As the API server's restricted profile.
    #[default]
    Restricted,
    /// As the API server's baseline profile.
    Baseline,
}

/// Outgoing HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct HttpGrant {
    /// Hosts, as api.example.com or *.example.com.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 64)))]
    pub hosts: Vec<String>,
    /// Methods in capital letters.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 16)))]
    pub methods: Vec<String>,
}

/// Use of Secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct SecretGrant {
    /// Names; a trailing * matches any ending.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 64)))]
    pub names: Vec<String>,
    /// Where.
    #[serde(default)]
    pub scope: GrantScope,
    /// The namespaces, with scope listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 256)))]
    pub namespaces: Vec<String>,
    /// The hosts whose requests may carry a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 64)))]
    pub hosts: Vec<String>,
    /// Whether the plugin may see the value itself.
    #[serde(default)]
    pub reveal: bool,
}
