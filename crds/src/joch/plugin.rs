//! Plugin: one plugin of the controller host, where it comes from and what it may do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{PluginGrants, PluginStatus};
use crate::meta::{Object, Resource};

#[cfg(feature = "generate")]
use {
    crate::generate::{Column, CustomResource, Names, Rule},
    schemars::JsonSchema,
};

/// A plugin of the controller host; its name is the plugin's identity.
pub type Plugin = Object<PluginSpec, PluginStatus>;

impl Resource for Plugin {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "Plugin";
}

/// Where a plugin comes from and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct PluginSpec {
    /// Where the component is; exactly one place.
    pub source: PluginSource,
    /// The only digest that is accepted, as sha256:<64 hexadecimal digits>; without it, whatever the source holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("pattern" = "^sha256:[0-9a-f]{64}$")))]
    pub digest: Option<String>,
    /// What the plugin does.
    pub mode: PluginMode,
    /// What it may do of what it asks for; without it, only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<PluginGrants>,
    /// Bounds that take the place of those in its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<PluginLimits>,
    /// The plugin's own settings.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "generate", schemars(
        extend("x-kubernetes-preserve-unknown-fields" = true)
    ))]
    pub config: Map<String, Value>,
    /// What happens to the plugin's finalizers when the Plugin is deleted.
    pub deletion_policy: DeletionPolicy,
}

/// Where a component is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct PluginSource {
    /// An absolute path of a file that the host can read; a changed file is swapped in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(min = 2, max = 4096), extend("pattern" = "^/.*\\.wasm$")))]
    pub path: Option<String>,
    /// A ConfigMap; a change of it is swapped in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// A file of the host's plugin folder; written by the host, which shows such plugins here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(length(max = 255)))]
    pub folder: Option<String>,
}

/// A component in a ConfigMap, under `binaryData`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct ConfigMapSource {
    /// The ConfigMap's namespace.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 63)))]
    pub namespace: String,
    /// The ConfigMap's name.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// The key under `binaryData`.
    #[cfg_attr(feature = "generate", schemars(length(min = 1, max = 253)))]
    pub key: String,
}

/// What a plugin does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum PluginMode {
    /// It reconciles.
    #[default]
    Active,
    /// It is called and reads, but its writes are recorded instead of sent.
    Shadow,
    /// It is not called.
    Suspended,
}

/// What happens to a plugin's finalizers when the Plugin is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub enum DeletionPolicy {
    /// They stay: objects wait for another version of the plugin.
    #[default]
    Keep,
    /// They are taken off all objects: an uninstall.
    ReleaseFinalizers,
}

/// Bounds of a plugin; each one left out stays as in its manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct PluginLimits {
    /// Linear memory of one call, as 64Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("pattern" = "^[0-9]{1,12}(Ki|Mi|Gi)?$")))]
    pub memory: Option<String>,
    /// Time that the guest may compute in one call, as 200ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("pattern" = "^[0-9]{1,9}(ms|s|m|h)$")))]
    pub cpu: Option<String>,
    /// Time that one call may take, waiting included, as 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("pattern" = "^[0-9]{1,9}(ms|s|m|h)$")))]
    pub wall: Option<String>,
    /// Calls under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(min = 1, max = 1000)))]
    pub concurrency: Option<u16>,
    /// Calls to the API server in one reconcile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(min = 1, max = 10_000)))]
    pub api_per_reconcile: Option<u32>,
    /// Calls to the API server per second, over all calls of the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(min = 1, max = 10_000)))]
    pub api_per_second: Option<u32>,
    /// Log lines in one reconcile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(max = 100_000)))]
    pub log_lines: Option<u32>,
    /// Events in one reconcile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(max = 1000)))]
    pub events: Option<u32>,
    /// Outgoing HTTP requests in one reconcile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(max = 1000)))]
    pub http_requests: Option<u32>,
}

#[cfg(feature = "generate")]
impl CustomResource for Plugin {
    type Spec = PluginSpec;
    type Status = PluginStatus;
    const DESCRIPTION: &'static str = "Plugin is one plugin of the controller host: where its component comes from, and what it may do.";
    const NAMES: Names = Names { plural: "plugins", singular: "plugin", short: &[] };
    const NAMESPACED: bool = false;
    const SPEC_REQUIRED: bool = true;
    const COLUMNS: &'static [Column] = &[
        Column::new("Phase", "string", ".status.phase"),
        Column::new("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
        Column::new("Version", "string", ".status.version"),
        Column::new("Mode", "string", ".spec.mode"),
        Column::wide("Digest", "string", ".status.digest"),
        Column::wide("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
        Column::AGE,
    ];
    const RULES: &'static [Rule] = &[
        Rule::new(
            "size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "the name of a Plugin is a DNS label of at most 40 characters, because names derived from it have to fit into 63",
        ),
        Rule::new(
            "(has(self.spec.source.path) ? 1 : 0) + (has(self.spec.source.configMap) ? 1 : 0) + (has(self.spec.source.folder) ? 1 : 0) == 1",
            "spec.source names exactly one of path, configMap and folder",
        ),
    ];
}
