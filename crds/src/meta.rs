//! What all kinds share: the object's frame, its metadata, conditions and references.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(feature = "generate")]
use schemars::JsonSchema;

/// Names of a kind, as the API server knows them.
pub trait Resource {
    /// API group.
    const GROUP: &'static str;
    /// API version.
    const VERSION: &'static str;
    /// Kind.
    const KIND: &'static str;

    /// The `apiVersion` field: group and version.
    fn api_version() -> String {
        format!("{}/{}", Self::GROUP, Self::VERSION)
    }
}

/// One custom resource.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object<Spec, Status> {
    /// Group and version.
    #[serde(default)]
    pub api_version: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Name, labels and what the API server keeps.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: Spec,
    /// What is known.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

impl<Spec, Status> Object<Spec, Status>
where
    Self: Resource,
{
    /// An object that is ready to be written: `apiVersion` and `kind` are filled in.
    #[must_use]
    pub fn new(metadata: ObjectMeta, spec: Spec) -> Self {
        Self {
            api_version: Self::api_version(),
            kind: Self::KIND.to_owned(),
            metadata,
            spec,
            status: None,
        }
    }
}

/// The part of `metav1.ObjectMeta` that controllers need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Name, unique in its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace; empty for cluster-scoped kinds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Identity over time: another object of the same name has another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Counts the changes of the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Changes with every write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When it was created (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// When its deletion was asked for (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Who owns it: it is removed with its last owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
}

impl ObjectMeta {
    /// The uid of the controller that owns this object, if there is one.
    #[must_use]
    pub fn controller_uid(&self) -> Option<&str> {
        self.owner_references.iter().find(|owner| owner.controller).map(|owner| owner.uid.as_str())
    }

    /// Whether this object is controlled by that very one, not by an earlier one of the same name.
    #[must_use]
    pub fn is_controlled_by(&self, owner: &Self) -> bool {
        self.controller_uid().is_some_and(|uid| Some(uid) == owner.uid.as_deref())
    }
}

/// One owner (`metav1.OwnerReference`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner.
    pub uid: String,
    /// Whether this owner is the one that manages the object.
    pub controller: bool,
}

/// One aspect of the state, as the Kubernetes API conventions define it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct Condition {
    /// Type in CamelCase.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "generate", schemars(
        length(max = 316),
        extend("pattern" = concat!(
            r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?",
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        )),
    ))]
    pub kind: String,
    /// True, False or Unknown.
    #[cfg_attr(feature = "generate", schemars(extend("enum" = ["True", "False", "Unknown"])))]
    pub status: String,
    /// One CamelCase word for machines.
    #[cfg_attr(feature = "generate", schemars(
        length(min = 1, max = 1024),
        extend("pattern" = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ))]
    pub reason: String,
    /// A sentence for people.
    #[cfg_attr(feature = "generate", schemars(length(max = 32768)))]
    pub message: String,
    /// When `status` flipped last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(required, extend("format" = "date-time")))]
    pub last_transition_time: Option<String>,
    /// The generation that the condition speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(range(min = 0)))]
    pub observed_generation: Option<i64>,
}

/// A reference to one object (`corev1.ObjectReference`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
#[cfg_attr(feature = "generate", schemars(extend("x-kubernetes-map-type" = "atomic")))]
pub struct ObjectReference {
    /// Group and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Resource version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// A part of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_path: Option<String>,
}

/// Status of a kind that only holds settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "generate", derive(JsonSchema))]
pub struct SettingsStatus {
    /// The generation that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When this status was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "generate", schemars(extend("format" = "date-time")))]
    pub updated_at: Option<String>,
    /// Aspects of the state, by type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "generate", schemars(
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    ))]
    pub conditions: Vec<Condition>,
}
