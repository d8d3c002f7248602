//! Writes of Plugin objects: mirrors, finalizers, and the status by the status contract.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use joch_core::finalizer::Kept;
use joch_core::manifest::StatusFields;
use joch_core::name::{InvalidName, PluginName};
use joch_core::port::{KubeError, Note};
use joch_core::status::{self, Circumstances, Dropped, Plan};
use joch_core::time::rfc3339;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use serde_json::{Value, json};

use super::{FINALIZER, PluginObject, plugin_key, plugin_kind, release};
use crate::client::api;
use crate::error::translate;
use crate::kinds::lock;
use crate::registry::Shared;
use crate::session::unix_ms;

/// Who writes.
const MANAGER: &str = "joch/controller-manager";
/// How often a status is computed anew after somebody else was faster.
const TRIES: u32 = 4;

/// Writes Plugin objects, and events about them.
pub struct PluginWriter {
    shared: Arc<Shared>,
    dropped: Mutex<Dropped>,
}

impl PluginWriter {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, dropped: Mutex::default() }
    }

    /// Makes the object that shows a plugin of the folder.
    ///
    /// # Errors
    /// The API server's; [`KubeError::AlreadyExists`] if there is an object of that name.
    pub async fn create_mirror(&self, plugin: &str, file: &str) -> Result<(), KubeError> {
        let object = json!({
            "apiVersion": plugin_kind().api_version(), "kind": *plugin_kind().kind,
            "metadata": {"name": plugin, "labels": {"app.kubernetes.io/managed-by": "joch-controller-manager"}},
            "spec": {"source": {"folder": file}},
        });
        let unwritable = |error: serde_json::Error| KubeError::Other(error.to_string());
        let object: DynamicObject = serde_json::from_value(object).map_err(unwritable)?;
        let params =
            PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let created = self.api(plugin).await?.create(&params, &object).await;
        let created = created.map_err(|error| translate(error, "create", &plugin_key(plugin)))?;
        self.know(plugin, &created.metadata.uid.unwrap_or_default());
        Ok(())
    }

    /// Deletes an object, this very one.
    ///
    /// # Errors
    /// The API server's; that it is gone already is none.
    pub async fn delete(&self, object: &PluginObject) -> Result<(), KubeError> {
        let preconditions = Preconditions { uid: Some(object.uid.clone()), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.api(&object.name).await?.delete(&object.name, &params).await {
            Ok(_) => Ok(()),
            Err(error) => match translate(error, "delete", &plugin_key(&object.name)) {
                KubeError::NotFound | KubeError::Stale => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Puts the host's finalizer on an object, or takes it off.
    ///
    /// # Errors
    /// The API server's; [`KubeError::Stale`] if the object changed meanwhile: try again.
    pub async fn hold(&self, object: &PluginObject, held: bool) -> Result<(), KubeError> {
        let key = plugin_key(&object.name);
        let api = self.api(&object.name).await?;
        let found = match api.get(&object.name).await {
            Ok(found) => found,
            Err(error) => match translate(error, "get", &key) {
                KubeError::NotFound => return Ok(()),
                error => return Err(error),
            },
        };
        if found.metadata.uid.as_ref() != Some(&object.uid) {
            // The one that is meant is gone; another one has its name.
            return Ok(());
        }
        let mut finalizers = found.metadata.finalizers.unwrap_or_default();
        finalizers.retain(|name| name != FINALIZER);
        if held {
            finalizers.push(FINALIZER.to_owned());
        }
        let patch = Patch::Merge(json!({"metadata": {
            "uid": object.uid, "resourceVersion": found.metadata.resource_version,
            "finalizers": finalizers,
        }}));
        let written = api.patch(&object.name, &params(), &patch).await;
        written.map(drop).map_err(|error| translate(error, "patch", &key))
    }

    /// Writes the status: `report` about this generation of the spec. Nothing is sent if nothing but the
    /// time would change.
    ///
    /// # Errors
    /// The API server's.
    pub async fn report(&self, object: &PluginObject, report: &Value) -> Result<(), KubeError> {
        let key = plugin_key(&object.name);
        let api = self.api(&object.name).await?;
        let failed = |error: kube::Error| translate(error, "patch", &key);
        for _ in 0..TRIES {
            let Some(found) = api.get_opt(&object.name).await.map_err(failed)? else {
                return Ok(());
            };
            if found.metadata.uid.as_ref() != Some(&object.uid) {
                return Ok(());
            }
            let dropped = lock(&self.dropped).clone();
            let circumstances = Circumstances {
                fields: &StatusFields::default(),
                generation: object.generation,
                now: &rfc3339(unix_ms()),
                dropped: &dropped,
            };
            let decision =
                status::decide(&found.data, report, Some(object.generation), circumstances)
                    .map_err(|error| KubeError::Invalid(error.to_string()))?;
            let Plan::Write { patch, expected } = decision.plan else { return Ok(()) };
            let version = &found.metadata.resource_version;
            let patch = Patch::Merge(
                json!({"metadata": {"resourceVersion": version, "uid": object.uid}, "status": patch}),
            );
            match api.patch_status(&object.name, &params(), &patch).await.map_err(failed) {
                Ok(stored) => {
                    lock(&self.dropped).extend(status::dropped(&expected, &stored.data));
                    return Ok(());
                }
                Err(KubeError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Err(KubeError::Stale)
    }

    /// Takes finalizers of a plugin off all objects that hold them; how many there were.
    ///
    /// # Errors
    /// The API server's; some may have been taken off then.
    pub async fn release_finalizers(
        &self,
        plugin: &PluginName,
        finalizers: &BTreeSet<Kept>,
    ) -> Result<usize, KubeError> {
        release::release(&self.shared, plugin, finalizers).await
    }

    /// Publishes an event about a plugin, if it has an object.
    pub fn event(&self, plugin: &str, warning: bool, reason: &str, message: String) {
        let reason = reason.to_owned();
        self.shared.notes.about_plugin(plugin, Note { warning, reason, message });
    }

    /// From now on events about the plugin go to the object of this uid.
    pub fn know(&self, plugin: &str, uid: &str) {
        self.shared.notes.know_plugin(plugin, Some(uid.to_owned()));
    }

    /// The plugin is out: there is nothing to tell any more.
    pub fn forget(&self, plugin: &str) {
        self.shared.notes.know_plugin(plugin, None);
    }

    /// The calls on a plugin's object, sent while the plugin is this replica's.
    async fn api(&self, plugin: &str) -> Result<Api<DynamicObject>, KubeError> {
        let name: PluginName = plugin.parse().map_err(invalid)?;
        let kind = plugin_kind();
        let served = self.shared.kinds.find(&kind).await;
        let served = served.map_err(|error| translate(error, "get", &plugin_key("")))?;
        let served = served
            .ok_or_else(|| KubeError::Invalid(format!("the API server does not serve {kind}")))?;
        Ok(api(&self.shared.leases.client(&name), &served.resource, None))
    }
}

fn invalid(error: InvalidName) -> KubeError {
    KubeError::Invalid(error.to_string())
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}
