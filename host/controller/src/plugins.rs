//! Plugin objects (`plugins.joch.dev`): followed, mirrored for plugins of a folder, and written.
//!
//! Nothing here decides what a plugin may do or which version is live; that is `joch-runtime`'s.

mod feed;
mod follow;
mod release;
mod write;

use joch_core::object::{Gvk, ObjectKey};
use joch_crds::joch::{GROUP, Plugin, PluginSpec, PluginStatus, VERSION};
use joch_crds::meta::Resource as _;
use serde_json::Value;

use crate::cached::Cached;

pub use feed::Feed;
pub use follow::PluginObjects;
pub use write::PluginWriter;

/// The finalizer by which the host gets to act before a Plugin goes.
pub(crate) const FINALIZER: &str = "joch.dev/plugin";

/// One Plugin object, as far as it can be understood.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginObject {
    /// Its name: the plugin's identity.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Counts the changes of its spec.
    pub generation: i64,
    /// Its deletion was asked for.
    pub deleting: bool,
    /// It carries the host's finalizer.
    pub held: bool,
    /// What is wanted, or why it cannot be read.
    pub spec: Result<PluginSpec, String>,
    /// What was known when it was written last; nothing if it cannot be read.
    pub status: PluginStatus,
}

impl PluginObject {
    fn of(key: &ObjectKey, cached: &Cached) -> Self {
        let object: Value = serde_json::from_str(&cached.json).unwrap_or_default();
        let part = |name: &str| object.get(name).cloned().unwrap_or_default();
        let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
        Self {
            name: key.name.clone(),
            uid: cached.uid.clone(),
            generation: cached.generation,
            deleting: cached.deleting,
            held: finalizers.is_some_and(|list| list.iter().any(|name| name == FINALIZER)),
            spec: serde_json::from_value(part("spec")).map_err(|error| error.to_string()),
            status: serde_json::from_value(part("status")).unwrap_or_default(),
        }
    }

    /// Whether it was made by the host to show a plugin of its folder.
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        self.spec.as_ref().is_ok_and(|spec| spec.source.folder.is_some())
    }
}

/// The kind of Plugin objects.
pub(crate) fn plugin_kind() -> Gvk {
    Gvk::new(GROUP, VERSION, Plugin::KIND)
}

/// The key of a plugin's Plugin object.
pub(crate) fn plugin_key(plugin: &str) -> ObjectKey {
    ObjectKey { kind: plugin_kind(), namespace: None, name: plugin.to_owned() }
}

#[cfg(test)]
mod tests {
    use joch_core::manifest::WatchData;
    use serde_json::json;

    use super::*;

    fn read(spec: Value, finalizers: &[&str]) -> PluginObject {
        let object = json!({
            "apiVersion": "joch.dev/v1alpha1", "kind": "Plugin",
            "metadata": {"name": "p", "uid": "u", "generation": 3, "finalizers": finalizers},
            "spec": spec, "status": {"digest": "sha256:1", "fromTheFuture": true},
        });
        let object = serde_json::from_value(object).unwrap();
        PluginObject::of(
            &plugin_key("p"),
            &Cached::new(&plugin_kind(), object, &WatchData::Full).unwrap(),
        )
    }

    #[test]
    fn an_object_is_read_with_its_status() {
        let object = read(json!({"source": {"path": "/p.wasm"}}), &["other", FINALIZER]);
        assert_eq!((object.generation, object.held, object.is_mirror()), (3, true, false));
        assert_eq!(object.status.digest.as_deref(), Some("sha256:1"));
        assert!(read(json!({"source": {"folder": "p.wasm"}}), &[]).is_mirror());
    }

    #[test]
    fn a_spec_that_cannot_be_read_says_why() {
        let error = read(json!({"mode": "sometimes"}), &[]).spec.unwrap_err();
        assert!(error.contains("sometimes") && error.contains("shadow"), "{error}");
    }
}
