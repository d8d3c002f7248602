//! What a case's call works on: the cluster in memory, and what cannot be seen in it.

use joch_core::authority::Authority;
use joch_core::grant::{self, KubeCall, Verb};
use joch_core::manifest::{ControllerSpec, Manifest, WatchData};
use joch_core::object::{Gvk, ObjectKey, ObjectRef, owned_by};
use joch_core::port::{KubeError, Note, field_manager};
use joch_fake::{Cluster, Error, Filter, Target};
use serde_json::Value;

/// What does not change during the call.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) manifest: Manifest,
    pub(super) authority: Authority,
    pub(super) controller: ControllerSpec,
    /// The object that is reconciled.
    pub(super) primary: ObjectKey,
    pub(super) uid: String,
    pub(super) generation: i64,
    /// That object, as the call was given it.
    pub(super) object: Value,
}

/// What does.
#[derive(Debug)]
pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) now_unix_ms: u64,
    pub(super) notes: Vec<Note>,
    pub(super) denied: Vec<String>,
    calls: u32,
}

impl Setting {
    pub(super) fn new(
        manifest: &Manifest,
        authority: Authority,
        controller: &ControllerSpec,
        primary: &ObjectKey,
        object: &Value,
    ) -> Self {
        let metadata =
            |field: &str| object.get("metadata").and_then(|metadata| metadata.get(field));
        Self {
            manifest: manifest.clone(),
            authority,
            controller: controller.clone(),
            primary: primary.clone(),
            uid: metadata("uid").and_then(Value::as_str).unwrap_or_default().to_owned(),
            generation: metadata("generation").and_then(Value::as_i64).unwrap_or_default(),
            object: object.clone(),
        }
    }

    /// The field manager of the controller's writes.
    pub(super) fn manager(&self) -> String {
        field_manager(self.manifest.plugin.name.as_str(), self.controller.name.as_str())
    }

    /// How much of a kind's objects the host's cache holds, if the controller has them at all.
    pub(super) fn cached(&self, kind: &Gvk) -> Result<WatchData, KubeError> {
        self.controller.kept(kind).ok_or_else(|| KubeError::NotWatched(kind.to_string()))
    }

    /// The owner references of what the primary owns.
    pub(super) fn owners(&self) -> Value {
        owned_by(&self.primary, &self.uid)
    }
}

impl World {
    pub(super) fn new(cluster: Cluster, now_unix_ms: u64) -> Self {
        Self { cluster, now_unix_ms, notes: Vec::new(), denied: Vec::new(), calls: 0 }
    }

    /// Checks a call against what the plugin asks for.
    pub(super) fn allow(
        &mut self,
        setting: &Setting,
        call: &KubeCall<'_>,
        target: &ObjectKey,
    ) -> Result<(), KubeError> {
        let authority = &setting.authority;
        let namespace = setting.primary.namespace.as_deref();
        grant::decide(&authority.requested, &authority.granted, call, namespace)
            .map_err(|missing| self.denied(call.verb, target, missing))
    }

    /// Whether a kind has no namespaces, as far as its objects here tell.
    pub(super) fn is_cluster_scoped(&self, kind: &Gvk) -> bool {
        let filter = Filter::default();
        let mut objects = self.cluster.list(&kind.group, &kind.kind, &filter).peekable();
        let without = |object: &Value| object.pointer("/metadata/namespace").is_none();
        objects.peek().is_some() && objects.all(without)
    }

    /// Notes a denial.
    pub(super) fn denied(
        &mut self,
        verb: Verb,
        target: &ObjectKey,
        missing_grant: String,
    ) -> KubeError {
        self.denied.push(missing_grant.clone());
        let target = ObjectRef { key: target.clone(), uid: None };
        KubeError::Denied { verb: verb.as_str().to_owned(), target, missing_grant }
    }

    /// Counts a call to the API server against the bound per reconcile.
    pub(super) fn spend(&mut self, setting: &Setting) -> Result<(), KubeError> {
        let limit = setting.manifest.limits.api_per_reconcile;
        if self.calls >= limit {
            let text = format!("{limit} calls to the API server per reconcile (api-per-reconcile)");
            return Err(KubeError::OverLimit(text));
        }
        self.calls += 1;
        Ok(())
    }

    /// Notes an Event, within its bounds.
    pub(super) fn publish(&mut self, setting: &Setting, note: Note) -> Result<(), KubeError> {
        let limit = setting.manifest.limits.events;
        if self.notes.len() >= limit as usize {
            return Err(KubeError::OverLimit(format!("{limit} Events per reconcile (events)")));
        }
        self.notes.push(note);
        Ok(())
    }
}

/// The cluster's name of an object.
pub(super) fn target(key: &ObjectKey, uid: Option<&str>) -> Target {
    let ObjectKey { kind, namespace, name } = key;
    let target = Target::new(&kind.api_version(), &kind.kind, namespace.as_deref(), name);
    Target { uid: uid.map(str::to_owned), ..target }
}

/// The cluster's refusal, as the host tells it to guests.
pub(super) fn refusal(error: Error, key: &ObjectKey) -> KubeError {
    match error {
        Error::NotFound => KubeError::NotFound,
        Error::AlreadyExists(uid) => {
            KubeError::AlreadyExists(ObjectRef { key: key.clone(), uid: Some(uid) })
        }
        Error::Stale => KubeError::Stale,
        Error::OwnedByOther(fields) => KubeError::OwnedByOther(fields),
        Error::Invalid(reason) => KubeError::Invalid(reason),
        other => KubeError::Other(other.to_string()),
    }
}
