//! What all Kubernetes objects have in common, as far as controllers read and write it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Kind, Timestamp};

/// An object's `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace; none for cluster-scoped kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The identity in time and space; set by the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Changes with every write; set by the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Counts the changes of `spec`; set by the server.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// When the object was created; set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// Since when the object is being deleted; set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Labels, which queries can select by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Who owns the object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
}

impl ObjectMeta {
    /// Whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// The owner that manages the object, if it has one.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// Whether the object of this uid manages this one.
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|owner| owner.uid == uid)
    }

    /// Whether the object of this uid is among the owners.
    pub fn is_owned_by(&self, uid: &str) -> bool {
        self.owner_references.iter().any(|owner| owner.uid == uid)
    }
}

/// One owner of an object.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// The owner's `apiVersion`.
    pub api_version: String,
    /// The owner's `kind`.
    pub kind: String,
    /// The owner's name.
    pub name: String,
    /// The owner's uid.
    pub uid: String,
    /// Whether this owner manages the object; at most one does.
    #[serde(default)]
    pub controller: bool,
}

/// An object of any kind without its content: what a query of [`metadata_only`] hands out.
///
/// [`metadata_only`]: crate::Query::metadata_only
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectHead {
    /// The `apiVersion`.
    pub api_version: String,
    /// The `kind`.
    pub kind: String,
    /// The `metadata`.
    pub metadata: ObjectMeta,
}

impl<T> Kind<T> {
    /// The same kind, of which only the metadata is read.
    pub const fn heads(self) -> Kind<ObjectHead> {
        self.of()
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_of_the_server_is_read() {
        let meta: ObjectMeta = serde_json::from_value(json!({
            "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "7", "generation": 2,
            "creationTimestamp": "2026-11-21T07:00:00Z", "deletionTimestamp": null,
            "ownerReferences": [
                { "apiVersion": "v1", "kind": "X", "name": "x", "uid": "1" },
                { "apiVersion": "v1", "kind": "Y", "name": "y", "uid": "2", "controller": true,
                  "blockOwnerDeletion": true }
            ],
            "finalizers": ["unknown to this type"],
        }))
        .unwrap();
        assert_eq!(meta.generation, 2);
        assert!(!meta.is_deleting());
        assert_eq!(meta.controller().map(|owner| &*owner.name), Some("y"));
        assert!(meta.is_owned_by("1") && !meta.is_owned_by("3"));
        assert!(meta.is_controlled_by("2") && !meta.is_controlled_by("1"));
    }

    #[test]
    fn empty_metadata_is_not_written() {
        assert_eq!(serde_json::to_value(ObjectMeta::default()).unwrap(), json!({}));
    }
}
