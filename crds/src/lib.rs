//! The resources of Joch as Rust types, one file per kind, and the custom resource definitions made from them.
//!
//! The types are small enough for guests: serde only, time stamps are strings, unknown fields are
//! ignored when reading and absent ones are left out when writing.
//!
//! With the feature `generate`, every type also has a JSON schema, and `crdgen` writes the definitions
//! (`crds/<group>_<plural>.yaml`). A test keeps the files in step with the types; `UPDATE=1` rewrites them.

#[cfg(feature = "generate")]
pub mod generate;
pub mod joch;
pub mod kubetask;
pub mod meta;
