//! What is known of a plugin: what is live, what it may do, and what became of its versions.

use serde::{Deserialize, Serialize};

use crate::meta::Condition;

#[cfg(feature = "generate")]
use schemars::JsonSchema;

/// What is known of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct PluginStatus {
    /// The state in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<PluginPhase>,
    /// The digest of the version that is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// That version's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of the last version that proved itself; the one that a roll-back returns to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good_digest: Option<String>,
    /// What it asks to be allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requested: Vec<String>,
    /// What it asks for and is granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<String>,
    /// What it asks for and is not granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Its controllers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<ControllerStatus>,
    /// The finalizers that its versions have kept on their objects: what `deletionPolicy:
    /// releaseFinalizers` takes off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 256)))]
    pub finalizers: Vec<KeptFinalizer>,
    /// In shadow mode: what was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowStatus>,
    /// What became of its last versions, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(length(max = 10)))]
    pub history: Vec<HistoryEntry>,
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

/// The state of a plugin in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum PluginPhase {
    /// Its first version is being loaded.
    Loading,
    /// A version reconciles.
    Active,
    /// A version is called, and its writes are recorded instead of sent.
    Shadow,
    /// It is not called, because its mode says so.
    Suspended,
    /// No version could be made live.
    Refused,
    /// It is being deleted.
    Terminating,
}

/// One controller of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct ControllerStatus {
    /// Its name in the manifest.
    pub name: String,
    /// The kind that it reconciles.
    pub kind: String,
    /// Running, Resting after it broke on several objects, or what it waits for.
    pub state: String,
    /// Objects that break it again and again; the others' turns go on.
    #[serde(default)]
    #[cfg_attr(feature = "generate", schemars(range(min = 0)))]
    pub parked: u32,
}

/// A finalizer on all objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct KeptFinalizer {
    /// The kind, as `group/version/Kind`.
    pub kind: String,
    /// The finalizer.
    pub name: String,
}

/// What a plugin in shadow mode would have written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct ShadowStatus {
    /// How many different writes.
    pub writes: u64,
    /// The last of them, the newest first.
    #[cfg_attr(feature = "generate", schemars(length(max = 10)))]
    pub recent: Vec<String>,
}

/// What became of one version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct HistoryEntry {
    /// When.
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub at: String,
    /// What happened.
    pub event: HistoryEvent,
    /// The version's digest, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The version's own number, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// What can happen to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum HistoryEvent {
    /// It went live.
    Activated,
    /// It proved itself and is the one to return to.
    Proven,
    /// It was refused; the version before stays live.
    Refused,
    /// It failed its probation; the version named here took its place again.
    RolledBack,
    /// It was taken out.
    Unloaded,
}
