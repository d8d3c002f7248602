//! All Kubernetes code of the controller host: watches, caches, queues, writes, status.
//!
//! Invariant: this crate knows no WebAssembly engine. It calls guests through
//! [`joch_core::port::Invoke`] and serves them through [`joch_core::port::Session`].

mod cached;
mod client;
mod controller;
mod error;
mod guest_metrics;
mod hub;
mod kinds;
mod metrics;
mod rates;
mod registry;
mod session;
mod store;

pub use client::connect;
pub use metrics::Metrics;
pub use registry::{ControllerView, Registry, RegistryError, Version};
