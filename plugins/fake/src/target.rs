//! Names of objects.

use std::fmt;

use serde_json::Value;

use crate::Error;

/// One object by name. Two versions of a group mean the same object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version in which a new object is stored.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; none for a cluster-scoped kind.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// That very object: another one of the same name is not found, and a write to it is stale.
    pub uid: Option<String>,
}

impl Target {
    /// The object of that name, whatever its uid.
    #[must_use]
    pub fn new(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            uid: None,
        }
    }

    /// The object that a document describes, whatever its uid.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it lacks `apiVersion`, `kind` or `metadata.name`.
    pub fn of(object: &Value) -> Result<Self, Error> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let needed = |pointer: &str| {
            let lacks = || Error::Invalid(format!("an object needs {pointer}: {object}"));
            text(pointer).filter(|text| !text.is_empty()).ok_or_else(lacks)
        };
        let namespace = text("/metadata/namespace").filter(|namespace| !namespace.is_empty());
        Ok(Self::new(
            needed("/apiVersion")?,
            needed("/kind")?,
            namespace,
            needed("/metadata/name")?,
        ))
    }

    /// The `apiVersion`: `batch/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// As `kubectl` speaks of it: `Job default/build-1`, `Node worker-0`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
