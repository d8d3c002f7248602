//! The finalizer on the primary: set before the first reconcile, taken off after the clean-up. The host's
//! own writes, each with the resource version that it was decided on.

use std::sync::Arc;

use joch_core::port::KubeError;
use kube::api::Patch;
use serde_json::json;

use super::Session;
use crate::cached::Cached;
use crate::client::{Write, api, send};

/// How often a write is computed anew after somebody else was faster.
const TRIES: u32 = 4;

impl Session {
    /// Sets the finalizer; the object as it is then. None if it is gone or being deleted by now.
    pub(crate) async fn mark(&self, finalizer: &str) -> Result<Option<Arc<Cached>>, KubeError> {
        let stored = self.edit_finalizers(|newest| {
            let missing = !newest.deleting && !holds(newest, finalizer);
            let with_ours = newest.finalizers.iter().map(String::as_str).chain([finalizer]);
            missing.then(|| with_ours.map(str::to_owned).collect())
        });
        Ok(stored.await?.filter(|object| holds(object, finalizer) && !object.deleting))
    }

    /// Takes the finalizer off.
    pub(crate) async fn unmark(&self, finalizer: &str) -> Result<(), KubeError> {
        let stored = self.edit_finalizers(|newest| {
            let others = newest.finalizers.iter().filter(|other| *other != finalizer);
            holds(newest, finalizer).then(|| others.cloned().collect())
        });
        stored.await.map(drop)
    }

    /// Writes the finalizers that `wanted` makes of the newest object; nothing if it makes none. None if
    /// the object is gone.
    async fn edit_finalizers(
        &self,
        wanted: impl Fn(&Cached) -> Option<Vec<String>>,
    ) -> Result<Option<Arc<Cached>>, KubeError> {
        let mut newest = self.newest();
        for _ in 0..TRIES {
            if newest.uid != self.primary.uid {
                return Ok(None);
            }
            let Some(finalizers) = wanted(&newest) else { return Ok(Some(newest)) };
            let answer = match self.put_finalizers(&newest, finalizers).await {
                Err(KubeError::Stale) => {
                    self.fetch(&self.key).await.map(|fresh| newest = fresh.kept)
                }
                Err(error) => Err(error),
                Ok(stored) => return Ok(Some(stored)),
            };
            match answer {
                Ok(()) => {}
                Err(KubeError::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Err(KubeError::Stale)
    }

    async fn put_finalizers(
        &self,
        newest: &Cached,
        finalizers: Vec<String>,
    ) -> Result<Arc<Cached>, KubeError> {
        let (version, uid) = (&newest.resource_version, &newest.uid);
        let metadata = json!({"resourceVersion": version, "uid": uid, "finalizers": finalizers});
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let write = Write::Patch { patch, subresource: None, force: false };
        let served = self.served(&self.key.kind).await?;
        let api = api(&self.around.client, &served.resource, self.namespace());
        let manager = self.manager();
        let sent = send(&api, &self.key, &manager, write);
        match self.request("patch", &self.key, sent).await? {
            Some(stored) => Ok(self.learn(&self.key, stored)?.kept),
            None => Err(KubeError::Other("the answer held no object".to_owned())),
        }
    }
}

fn holds(object: &Cached, finalizer: &str) -> bool {
    object.finalizers.iter().any(|other| other == finalizer)
}
