//! A cluster of JSON objects in memory, for tests of controllers: pure and synchronous, without server,
//! clock or I/O.
//!
//! ```
//! use joch_fake::{Change, Cluster, Operation, Target};
//! use serde_json::json;
//!
//! let mut cluster = Cluster::new("2026-11-21T07:00:00Z");
//! let target = Target::new("v1", "ConfigMap", Some("team"), "text");
//! let body = json!({ "data": { "a": "1" } });
//! let stored = cluster.write(Change::new(target.clone(), Operation::Apply(body)))?;
//! assert_eq!(stored["metadata"]["resourceVersion"], "1");
//! assert_eq!(cluster.get(&target)?["data"]["a"], "1");
//! assert_eq!(cluster.writes().len(), 1);
//! # Ok::<(), joch_fake::Error>(())
//! ```
//!
//! # What it keeps
//! - uid, `resourceVersion` (a counter), `generation` (counts changes of `spec`), `creationTimestamp`.
//! - Preconditions: an uid or a resource version that is not the object's makes a write [`Error::Stale`].
//! - A write that changes nothing leaves the `resourceVersion` alone and is not recorded.
//! - `status` is written through the subresource `status` only, whatever the kind.
//! - Finalizers hold an object that is being deleted; what it owns goes after it.
//!
//! # What it leaves out
//! - Schemas: nothing is validated, defaulted or pruned, and any kind exists in any scope and version.
//! - Server-side apply is a merge patch (RFC 7386), plus the removal of the leaves that the same manager
//!   applied before and omits now. Lists are one leaf each. Only leaves that another manager *applied*
//!   are in conflict.
//! - Nothing runs: no Job makes pods, and only the garbage collector is imitated, at once. `Foreground` is
//!   treated as `Background`.

mod apply;
mod change;
mod cluster;
mod error;
mod selector;
mod target;
mod write;

pub use crate::{
    change::{Change, Operation, Propagation, Write},
    cluster::{Cluster, Filter},
    error::Error,
    selector::Selector,
    target::Target,
};
