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

/// One `metav1.Condition`. The host keeps `lastTransitionTime` and `observedGeneration`: they are only
/// read.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about, such as `Ready`.
    pub r#type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    #[serde(default)]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default)]
    pub message: String,
    /// Since when `status` is what it is.
    #[serde(default, skip_serializing)]
    pub last_transition_time: Option<Timestamp>,
    /// Which generation it speaks of.
    #[serde(default, skip_serializing)]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// A condition to report. `status` is a [`ConditionStatus`] or a `bool`.
    ///
    /// ```
    /// use joch_plugin::Condition;
    ///
    /// let ready = Condition::new("Ready", false, "NoAgent", "agent `coder` does not exist");
    /// assert!(!ready.is_true());
    /// ```
    pub fn new(
        r#type: impl Into<String>,
        status: impl Into<ConditionStatus>,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            r#type: r#type.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: None,
            observed_generation: None,
        }
    }

    /// Whether it holds.
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
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
    }

    #[test]
    fn empty_metadata_is_not_written() {
        assert_eq!(serde_json::to_value(ObjectMeta::default()).unwrap(), json!({}));
    }

    #[test]
    fn what_the_host_keeps_in_a_condition_is_read_but_not_written() {
        let text = json!({ "type": "Ready", "status": "True", "reason": "", "message": "",
            "lastTransitionTime": "2026-11-21T07:00:00Z", "observedGeneration": 3 });
        let ready: Condition = serde_json::from_value(text).unwrap();
        assert_eq!(ready.observed_generation, Some(3));
        assert_eq!(
            serde_json::to_value(ready).unwrap(),
            json!({ "type": "Ready", "status": "True", "reason": "", "message": "" })
        );
    }
}
