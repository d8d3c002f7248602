//! Writes: what is asked for, and what is remembered of it.

use std::fmt;

use serde_json::Value;

use crate::Target;

/// One write to one object. Besides target and operation, everything has a default: no subresource, no
/// resource version, manager `test`, no force.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which object; with a uid, that very one.
    pub target: Target,
    /// `status`, or the object itself.
    pub subresource: Option<String>,
    /// The resource version that the object has to have.
    pub if_version: Option<String>,
    /// Who writes: decides which leaves an apply removes.
    pub manager: String,
    /// Apply only: takes over leaves that other managers applied.
    pub force: bool,
    /// What is to be done.
    pub operation: Operation,
}

impl Change {
    /// A write with the defaults.
    #[must_use]
    pub fn new(target: Target, operation: Operation) -> Self {
        Self {
            target,
            subresource: None,
            if_version: None,
            manager: "test".to_owned(),
            force: false,
            operation,
        }
    }
}

/// What is to be done. A body may leave out what the target says.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Creates the object.
    Create(Value),
    /// Server-side apply: creates or changes.
    Apply(Value),
    /// JSON merge patch (RFC 7386).
    Merge(Value),
    /// JSON patch (RFC 6902): an array of operations.
    JsonPatch(Value),
    /// Deletes the object.
    Delete(Propagation),
}

/// What becomes of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// As `Background`.
    Foreground,
    /// They stay, without the owner reference.
    Orphan,
}

/// One write that changed something.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// `create`, `apply`, `merge`, `json-patch` or `delete`.
    pub verb: &'static str,
    /// Which object; the uid is the one that the writer demanded.
    pub target: Target,
    /// `status`, or the object itself.
    pub subresource: Option<String>,
    /// Who wrote.
    pub manager: String,
    /// What was sent, completed by what the target says; `null` for a deletion.
    pub body: Value,
}

/// In brief: `apply ConfigMap team/text`, `merge Task team/x/status`.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.target)?;
        match &self.subresource {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}
