//! Group `joch.dev`: Joch itself.

mod plugin;
mod plugin_grants;
mod plugin_status;

pub use plugin::{
    ConfigMapSource, DeletionPolicy, Plugin, PluginLimits, PluginMode, PluginSource, PluginSpec,
};
pub use plugin_grants::{
    Allow, GrantScope, HttpGrant, JobGrant, JobSecrets, KubeGrant, PluginGrants, PodProfile,
    SecretGrant,
};
pub use plugin_status::{
    ControllerStatus, HistoryEntry, HistoryEvent, KeptFinalizer, PluginPhase, PluginStatus,
    ShadowStatus,
};

/// The API group.
pub const GROUP: &str = "joch.dev";
/// The API version.
pub const VERSION: &str = "v1alpha1";
