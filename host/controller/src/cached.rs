//! One object as the host keeps it: pruned text and the few fields that the host itself looks at.

use std::collections::BTreeMap;
use std::sync::Arc;

use joch_core::manifest::WatchData;
use joch_core::object::{Gvk, ObjectKey};
use joch_core::port::Json;
use joch_core::projection::keep;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DynamicObject, ObjectMeta, TypeMeta};
use serde_json::Value;

/// A cached object. `managedFields` are gone: nobody reads them, and they are half of the metadata.
#[derive(Debug)]
pub(crate) struct Cached {
    /// The object.
    pub(crate) json: Json,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: i64,
    pub(crate) deleting: bool,
    /// When its deletion was asked for, in milliseconds since 1970; 0 if it was not.
    pub(crate) deleted_unix_ms: u64,
    pub(crate) finalizers: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) owners: Vec<OwnerReference>,
    /// Whether fields were left out that the API server sent.
    masked: bool,
}

impl Cached {
    /// Prunes an object as the API server sent it, and leaves of it what `data` says. `kind` fills in what
    /// items of a list lack.
    pub(crate) fn new(
        kind: &Gvk,
        mut object: DynamicObject,
        data: &WatchData,
    ) -> Result<Arc<Self>, serde_json::Error> {
        object.metadata.managed_fields = None;
        object.types =
            Some(TypeMeta { api_version: kind.api_version(), kind: kind.kind.to_string() });
        object.data = keep(object.data, data);
        let json: Json = serde_json::to_string(&object)?.into();
        let masked = matches!(data, WatchData::Fields(_));
        Ok(Arc::new(Self::of(json, object.metadata, masked)))
    }

    /// The same object, with what `data` says of it.
    pub(crate) fn cut(
        self: &Arc<Self>,
        kind: &Gvk,
        data: &WatchData,
    ) -> Result<Arc<Self>, serde_json::Error> {
        match data {
            WatchData::Full => Ok(self.clone()),
            _ => Self::new(kind, serde_json::from_str(&self.json)?, data),
        }
    }

    /// Whether the newer state differs from this one only in its version: fields changed that are not kept.
    pub(crate) fn says_what(&self, newer: &Self) -> bool {
        let said = |object: &Self| {
            let mut value: Value = serde_json::from_str(&object.json).ok()?;
            value.pointer_mut("/metadata")?.as_object_mut()?.remove("resourceVersion");
            Some(value)
        };
        self.masked && newer.masked && said(self).is_some_and(|old| said(newer) == Some(old))
    }

    fn of(json: Json, metadata: ObjectMeta, masked: bool) -> Self {
        let mut owners = metadata.owner_references.unwrap_or_default();
        // They are kept for long, and lists are read into room for four.
        owners.shrink_to_fit();
        let deleted = metadata.deletion_timestamp.as_ref().map(|time| time.0.as_millisecond());
        Self {
            json,
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            deleted_unix_ms: deleted.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default(),
            finalizers: metadata.finalizers.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            owners,
            masked,
        }
    }

    /// The owner that controls the object, if there is one.
    pub(crate) fn controller(&self) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.controller == Some(true))
    }

    /// Whether `other` is an older state, or the same one. Resource versions are compared as numbers
    /// (Kubernetes 1.35 and later promise it, etcd's revisions have always been so).
    pub(crate) fn is_at_least(&self, other: &Self) -> bool {
        version(&self.resource_version) >= version(&other.resource_version)
    }
}

/// A resource version as a number; 0 if it is none, so that it counts as the oldest.
pub(crate) fn version(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// The key of an object of `kind`.
pub(crate) fn key(kind: &Gvk, metadata: &ObjectMeta) -> ObjectKey {
    ObjectKey {
        kind: kind.clone(),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}
