//! Kinds, keys and references of Kubernetes objects.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::name::is_label;

/// A kind of resource. Written `v1/ConfigMap` or `batch/v1/Job`; the core group is the empty string.
///
/// One that is read from a manifest is checked, whichever way it is written: its parts go into paths. Clones
/// share the parts: each key of an object has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Gvk {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The version within the group.
    pub version: Arc<str>,
    /// The kind, in CamelCase.
    pub kind: Arc<str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    group: String,
    version: String,
    kind: String,
}

impl From<Gvk> for Parts {
    fn from(Gvk { group, version, kind }: Gvk) -> Self {
        let [group, version, kind] = [group, version, kind].map(|part| part.to_string());
        Self { group, version, kind }
    }
}

impl TryFrom<Parts> for Gvk {
    type Error = InvalidKind;

    fn try_from(Parts { group, version, kind }: Parts) -> Result<Self, InvalidKind> {
        let parts = Self::new(&group, &version, &kind);
        let read: Self = parts.to_string().parse()?;
        if read == parts { Ok(read) } else { Err(InvalidKind(parts.to_string())) }
    }
}

/// Why a text names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no kind (write \"v1/ConfigMap\" or \"batch/v1/Job\")")]
pub struct InvalidKind(String);

impl Gvk {
    /// A kind from its three parts.
    #[must_use]
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// `batch/v1` or `v1`, as in an object's `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

impl FromStr for Gvk {
    type Err = InvalidKind;

    fn from_str(text: &str) -> Result<Self, InvalidKind> {
        let parts: Vec<&str> = text.split('/').collect();
        let (group, version, kind) = match parts.as_slice() {
            [version, kind] => ("", *version, *kind),
            [group, version, kind] if !group.is_empty() => (*group, *version, *kind),
            _ => return Err(InvalidKind(text.to_owned())),
        };
        let valid = is_label(version)
            && is_label(kind)
            && (group.is_empty() || group.split('.').all(is_label))
            && version.starts_with('v')
            && kind.starts_with(|c: char| c.is_ascii_uppercase());
        if valid { Ok(Self::new(group, version, kind)) } else { Err(InvalidKind(text.to_owned())) }
    }
}

/// Which object: kind, namespace and name. What the work queue deduplicates by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Gvk,
    /// None for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl ObjectKey {
    /// Whether name and namespace can stand in the path of a request as what they are. The API server lets
    /// no object have another name; in the path, `a/status` or `../secrets/a` would name something else
    /// than what was checked. An empty name stands for all objects of a kind.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let plain = |part: &str| {
            let special = |c: char| "/\\?#%".contains(c) || c.is_whitespace() || c.is_control();
            part.len() <= 253 && part != "." && part != ".." && !part.contains(special)
        };
        plain(&self.name) && self.namespace.as_deref().is_none_or(|n| !n.is_empty() && plain(n))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// A key, and if `uid` is set that very object rather than whichever bears the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// The object's uid, if this very one is meant.
    pub uid: Option<String>,
}

/// The owner references of what a primary owns: itself, as the one that controls.
#[must_use]
pub fn owned_by(primary: &ObjectKey, uid: &str) -> Value {
    json!([{
        "apiVersion": primary.kind.api_version(),
        "kind": *primary.kind.kind,
        "name": primary.name,
        "uid": uid,
        "controller": true,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_and_printed_in_the_same_form() {
        for text in ["v1/ConfigMap", "batch/v1/Job", "kubetask.io/v1alpha1/Task"] {
            assert_eq!(text.parse::<Gvk>().unwrap().to_string(), text);
        }
        assert_eq!("batch/v1/Job".parse::<Gvk>().unwrap().api_version(), "batch/v1");
    }

    #[test]
    fn names_that_would_lead_a_request_astray_are_told_apart() {
        let plain = |namespace: Option<&str>, name: &str| {
            let (namespace, name) = (namespace.map(str::to_owned), name.to_owned());
            ObjectKey { kind: Gvk::new("", "v1", "ConfigMap"), namespace, name }.is_plain()
        };
        assert!(plain(Some("default"), "a-b.c") && plain(None, "system:node") && plain(None, ""));
        for name in
            ["a/status", "../secrets/a", "..", ".", "a\\b", "a?x", "a#x", "%2e%2e", "a b", "a\n"]
        {
            assert!(!plain(Some("default"), name), "{name:?} was accepted");
            assert!(!plain(Some(name), "a"), "namespace {name:?} was accepted");
        }
        assert!(!plain(Some(""), "a") && !plain(None, &"a".repeat(254)));
    }

    #[test]
    fn texts_that_name_no_kind_are_refused() {
        for text in [
            "",
            "Job",
            "v1/",
            "/v1/Job",
            "batch/v1/job",
            "a/b/c/d",
            "batch/1/Job",
            "v1/Jo b",
            "../v1/Job",
            "a..b/v1/Job",
            "-a/v1/Job",
            "a.io/v1./Job",
            "a.io/v1/Job-",
        ] {
            assert!(text.parse::<Gvk>().is_err(), "{text:?} was accepted");
        }
    }
}
