//! Kinds of resources: which one is meant, and which Rust type holds it.

use std::{fmt, marker::PhantomData};

use crate::{Context, Gvk, ObjectRef};

/// A kind of resource together with the Rust type that holds what is read of it.
///
/// A value and not a trait on the type, so that types of other crates can be used, and several types
/// for one kind: the less a type names, the less is parsed.
///
/// ```
/// use joch_plugin::Kind;
/// # use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Agent { /* … */ }
/// const AGENT: Kind<Agent> = Kind::new("kubetask.io/v1alpha1", "Agent");
///
/// #[derive(Deserialize)]
/// struct Node { /* … */ }
/// const NODE: Kind<Node> = Kind::new("v1", "Node").cluster_scoped();
/// # assert_eq!(AGENT.gvk().group, "kubetask.io");
/// ```
pub struct Kind<T> {
    api_version: &'static str,
    kind: &'static str,
    namespaced: bool,
    object: PhantomData<fn() -> T>,
}

impl<T> Kind<T> {
    /// A namespaced kind by its `apiVersion` (`v1`, `batch/v1`) and `kind`, as a manifest writes them.
    pub const fn new(api_version: &'static str, kind: &'static str) -> Self {
        Self { api_version, kind, namespaced: true, object: PhantomData }
    }

    /// The same kind, but its objects live in no namespace.
    pub const fn cluster_scoped(self) -> Self {
        Self { namespaced: false, ..self }
    }

    /// The same kind, held by another type: a smaller view, or `serde_json::Value` for all of it.
    pub const fn of<U>(self) -> Kind<U> {
        let Self { api_version, kind, namespaced, .. } = self;
        Kind { api_version, kind, namespaced, object: PhantomData }
    }

    /// Whether its objects live in a namespace.
    pub const fn is_namespaced(self) -> bool {
        self.namespaced
    }

    /// The `apiVersion`.
    pub const fn api_version(self) -> &'static str {
        self.api_version
    }

    /// The `kind`.
    pub const fn kind(self) -> &'static str {
        self.kind
    }

    /// Group, version and kind, each by itself.
    pub fn gvk(self) -> Gvk {
        Gvk::new(self.api_version, self.kind)
    }

    /// The object of that name; a namespaced one in the namespace of the object being reconciled.
    pub(crate) fn beside(self, cx: &Context, name: &str) -> ObjectRef {
        ObjectRef {
            kind: self.gvk(),
            namespace: self.namespace(cx),
            name: name.to_owned(),
            uid: None,
        }
    }

    /// The namespace of the object being reconciled, if this kind lives in one.
    pub(crate) fn namespace(self, cx: &Context) -> Option<String> {
        cx.namespace().filter(|_| self.namespaced).map(str::to_owned)
    }
}

// Derived ones would ask the same of `T`.
impl<T> Clone for Kind<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Kind<T> {}

impl<T> fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version, self.kind)
    }
}

impl Gvk {
    /// Takes an `apiVersion` apart: `batch/v1` is a group and a version, `v1` the core group's.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// The `apiVersion` of this kind: `batch/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// As in the manifest: `batch/v1/Job`, `v1/ConfigMap`.
impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.api_version())?;
        f.write_str("/")?;
        f.write_str(&self.kind)
    }
}

/// As `kubectl` speaks of it: `Job default/build-1`, `Node worker-0`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.kind)?;
        f.write_str(" ")?;
        if let Some(namespace) = &self.namespace {
            f.write_str(namespace)?;
            f.write_str("/")?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_version_without_slash_is_the_core_group() {
        let gvk = Gvk::new("v1", "ConfigMap");
        assert_eq!((&*gvk.group, &*gvk.version), ("", "v1"));
        assert_eq!(gvk.api_version(), "v1");
        assert_eq!(gvk.to_string(), "v1/ConfigMap");
    }

    #[test]
    fn an_api_version_with_slash_is_group_and_version() {
        const TASK: Kind<()> = Kind::new("kubetask.io/v1alpha1", "Task");
        let gvk = TASK.gvk();
        assert_eq!((&*gvk.group, &*gvk.version), ("kubetask.io", "v1alpha1"));
        assert_eq!(gvk.api_version(), TASK.api_version());
        assert_eq!(gvk.to_string(), "kubetask.io/v1alpha1/Task");
    }

    #[test]
    fn an_object_is_named_as_kubectl_does() {
        let kind = Gvk::new("batch/v1", "Job");
        let mut job =
            ObjectRef { kind, namespace: Some("a".to_owned()), name: "b".to_owned(), uid: None };
        assert_eq!(job.to_string(), "Job a/b");
        job.namespace = None;
        assert_eq!(job.to_string(), "Job b");
    }
}
