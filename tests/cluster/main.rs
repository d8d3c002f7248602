//! Tests against a real control plane and the real host. They run when `JOCH_SUITE=1` says so.

mod admin;
mod bad_plugins;
mod crd;
mod hello;
mod languages;
mod proxy;
mod reload;
mod stopped;
mod storm;
mod task;
