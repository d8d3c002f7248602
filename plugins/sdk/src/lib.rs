//! Writes Joch controllers in Rust: one function per kind of object, compiled to a WASM component.
//!
//! A controller is a type with a [`Controller::reconcile`]; [`plugin!`] exports one or several of
//! them and puts `plugin.toml` into the component. Everything else (watches, queues, retries, leases,
//! limits, authority) is the host's. Time, reads and writes come from the [`Context`].
//!
//! ```
//! use joch_plugin::{Condition, ConfigMap, Context, Controller, Failure, Outcome};
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
//!         let ready = Condition::ready(true, "Greeted", "the ConfigMap has the greeting");
//!         cx.report_status(&json!({ "phase": "Ready", "conditions": [ready] }))?;
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
//! # How a controller is written
//!
//! - **Bring the world one step closer, and return.** The call is repeated whenever the object, or
//!   anything that was read, watched or owned, changes. Nothing is waited for, and nothing is kept in
//!   memory between two calls: a fresh instance serves each.
//! - **Name what you make after what it is for**, so that a repeated call finds it: `format!("{}-run",
//!   cx.name())`. Write with [`Change::apply`] and [`Change::owned`]: the garbage collector then cleans up.
//! - **Say what goes on in the status**, by [`Context::report_status`] only. The host adds generation and
//!   times, and writes nothing if nothing differs.
//! - **Parse little.** A [`Kind`] pairs a kind with a type of your own; what the type leaves out is never
//!   parsed, and each parsed type costs the component some 3 KB.
//! - **Return [`Failure::permanent`]** when only a person can help, [`Failure::transient`] when time can;
//!   `?` on a call to the host chooses by itself. A missing object is no failure if it is part of the plan:
//!   [`Context::find`].
//!
//! # What is where
//!
//! | to | use |
//! |---|---|
//! | read one object | [`Context::get`], [`find`](Context::find), [`read`](Context::read) |
//! | read many | [`Context::query`] |
//! | write | [`Context::change`]: create, apply, merge, JSON patch, delete |
//! | start work in pods | [`Context::start_job`] |
//! | report | [`Context::report_status`], [`Condition`], [`Conditions`], [`Context::event`] |
//! | come back later | [`Outcome::after_secs`], [`Context::now`], [`Timestamp`] |
//! | clean up before an object goes | [`Controller::finalize`], and `finalizer` in the manifest |
//! | have settings | [`Context::config`] |
//! | use a Secret | [`Context::secret`] |
//! | be observed | [`Context::info`] and its siblings, [`Context::counter`], [`gauge`](Context::gauge), [`histogram`](Context::histogram) |
//!
//! A panic ends the call, not the plugin: the host reports message and place in its log and in an Event,
//! and tries again later.
//!
//! # How it is tested
//!
//! With plain `cargo test`: natively, [`fake::FakeHost`] stands in for the host and the cluster. The
//! controller from above:
//!
//! ```
//! # use joch_plugin::{ConfigMap, Context, Controller, Failure, Outcome};
//! # use serde_json::Value;
//! # struct Greeter;
//! # impl Controller for Greeter {
//! #     type Object = Value;
//! #     fn reconcile(&self, cx: &Context, greeting: Value) -> Result<Outcome, Failure> {
//! #         let text = format!("Hello, {}!", greeting["spec"]["name"].as_str().unwrap_or_default());
//! #         cx.change(ConfigMap::KIND, cx.name()).owned().apply(&json!({ "data": { "text": text } }))?;
//! #         cx.report_status(&json!({ "phase": "Ready" }))?;
//! #         Ok(Outcome::Done)
//! #     }
//! # }
//! use joch_plugin::{Kind, fake::FakeHost};
//! use serde_json::json;
//!
//! const GREETING: Kind<()> = Kind::new("hello.joch.dev/v1alpha1", "Greeting");
//!
//! let host = FakeHost::new();
//! host.put(GREETING, "team/ada", &json!({ "spec": { "name": "Ada" } }));
//! assert_eq!(host.reconcile(&Greeter, GREETING, "team/ada"), Ok(Outcome::Done));
//!
//! assert_eq!(host.wrote(), ["apply ConfigMap team/ada", "merge Greeting team/ada/status"]);
//! assert_eq!(host.find(ConfigMap::KIND, "team/ada").unwrap().data["text"], "Hello, Ada!");
//! assert_eq!(host.status(GREETING, "team/ada")["phase"], "Ready");
//!
//! host.deny("patch", "v1/ConfigMap");
//! let failure = host.reconcile(&Greeter, GREETING, "team/ada").unwrap_err();
//! assert_eq!(failure.reason(), "Denied");
//! ```

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
