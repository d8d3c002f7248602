//! The pure part of the controller host: names, manifests, grants, decisions.
//!
//! Invariant: this crate could run on paper. It knows no Kubernetes client, no WebAssembly engine, no
//! async runtime and no clock; time is always passed in.

pub mod authority;
pub mod backoff;
pub mod blame;
pub mod breaker;
pub mod dependency;
pub mod finalizer;
pub mod frame;
pub mod grant;
pub mod grants_file;
pub mod job;
pub mod lease;
pub mod manifest;
pub mod name;
pub mod needs;
pub mod object;
pub mod outcome;
pub mod port;
pub mod probation;
pub mod projection;
pub mod quantity;
pub mod queue;
pub mod selector;
pub mod status;
pub mod time;
pub mod told;
