//! What an operator may set for the plugin.

use std::time::Duration;

use serde::Deserialize;

/// The plugin's settings. An unknown one is an error that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// For how long a Task waits for an Agent or a ConfigMap that does not exist before it fails; 0 fails
    /// it at once.
    pub missing_grace_seconds: u32,
    /// How long an agent that is stopped has to end by itself before it is killed.
    pub stop_grace_seconds: u32,
}

impl Settings {
    /// For how long a Task waits for what does not exist.
    #[must_use]
    pub fn missing_grace(&self) -> Duration {
        Duration::from_secs(self.missing_grace_seconds.into())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { missing_grace_seconds: 30, stop_grace_seconds: 5 }
    }
}
