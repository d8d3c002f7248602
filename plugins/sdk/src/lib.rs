//! Writes Joch controllers in Rust: one function per kind of object, compiled to a WASM component.
//!
//! A controller is a type with a [`Controller::reconcile`]; [`plugin!`] exports one or several of
//! them and puts `plugin.toml` into the component. Everything else (watches, queues, retries, leases,
//! limits, authority) is the host's. Time, reads and writes come from the [`Context`].
//!
//! ```
//! use joch_plugin::{ConfigMap, Context, Controller, Failure, Outcome};
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! #[derive(Deserialize)]
//! struct Greeting { spec: Spec }
//! #[derive(Deserialize)]
//! struct Spec { name: String }
//!
//! struct Greeter;
//!
//! impl Controller for Greeter {
//!     type Object = Greeting;
//!
//!     fn reconcile(&self, cx: &Context, greeting: Greeting) -> Result<Outcome, Failure> {
//!         let text = format!("Hello, {}!", greeting.spec.name);
//!         cx.change(ConfigMap::KIND, cx.name()).owned().apply(&json!({ "data": { "text": text } }))?;
//!         cx.report_status(&json!({ "phase": "Ready" }))?;
//!         Ok(Outcome::Done)
//!     }
//! }
//!
//! joch_plugin::plugin! {
//!     manifest: "plugin.toml",
//!     controllers: { "greeting" => Greeter },
//! }
//! ```
//!
//! A fresh instance serves each call, so nothing is kept in memory between two calls. Built natively,
//! the crate compiles but every call to the host panics: keep decisions in pure functions and test
//! those with plain `cargo test`.

#[doc(hidden)]
pub mod bindings;
mod condition;
mod context;
mod error;
#[doc(hidden)]
pub mod export;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod host;
mod jobs;
mod json;
mod kind;
mod log;
#[doc(hidden)]
pub mod manifest;
mod meta;
mod metrics;
mod objects;
mod outcome;
mod query;
mod read;
mod report;
mod secrets;
mod time;
mod write;

#[doc(inline)]
pub use crate::bindings::joch::kube::types::{Denial, Gvk, ObjectRef};
pub use crate::{
    condition::{Condition, ConditionStatus, Conditions},
    context::{Context, Controller},
    error::Error,
    jobs::{StartError, Started},
    kind::Kind,
    log::{Field, Level},
    meta::{ObjectHead, ObjectMeta, OwnerReference},
    metrics::{Counter, Gauge, Histogram, Metric},
    objects::{ConfigMap, Job, JobOutcome, JobSpec, JobStatus},
    outcome::{Failure, Outcome},
    query::{Objects, Query},
    read::{Freshness, Read},
    report::{Severity, Verdict},
    secrets::SecretValue,
    time::{InvalidTimestamp, Timestamp},
    write::{Change, Propagation, Stored},
};
