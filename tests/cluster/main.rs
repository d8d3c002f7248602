//! Tests against a real control plane and the real host. They run when `JOCH_SUITE=1` says so.

mod admin;
mod authority;
mod backoff;
mod bad_plugins;
mod bounds;
mod breakers;
mod capabilities;
mod cli;
mod controllers;
mod crd;
mod crontask;
mod fairness;
mod faults;
mod finalizer;
mod freshness;
/// Small guests of the engine's own tests.
#[expect(dead_code, clippy::unwrap_used, reason = "the engine's tests, which use the others")]
#[path = "../../host/engine/tests/engine/guest.rs"]
mod guest;
mod hello;
mod kinds;
mod languages;
mod limits;
mod outgoing;
mod plugin_objects;
mod proxy;
mod pruning;
mod puppet;
mod readme;
mod reload;
mod replicas;
mod status_contract;
mod stopped;
mod storm;
mod task;
