//! All Kubernetes code of the controller host: watches, caches, queues, writes, status.
//!
//! Invariant: this crate knows no WebAssembly engine. It calls guests through
//! [`joch_core::port::Invoke`] and serves them through [`joch_core::port::Session`].

mod access;
mod cached;
mod client;
mod controller;
mod error;
mod fence;
mod guest_metrics;
mod hub;
mod kinds;
mod lease;
mod metrics;
mod plugins;
mod rates;
mod registry;
mod session;
mod shadow;
mod store;
mod trial;

pub use access::{Access, Accesses};
pub use client::{connect, connect_watching};
pub use kinds::{Resource, resources};
pub use lease::{LeaseKeeper, LeaseOptions, Leases, NotClaimed};
pub use metrics::Metrics;
pub use plugins::{Feed, PluginObject, PluginObjects, PluginWriter};
pub use registry::{ControllerView, Registry, RegistryError, Version};
pub use shadow::ShadowLog;
pub use trial::Trial;
