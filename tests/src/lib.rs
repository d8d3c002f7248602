//! The harness of Joch's tests: real parts, started for the test and gone after it.
//!
//! - [`cluster`]: a real control plane (`devcluster`), and a namespace per test;
//! - [`host`]: the real `joch-controller-manager`, started, killed and restarted, and its log read;
//! - [`proxy`]: what stands between the two: it counts, and it injects faults;
//! - [`plan`]: faults as data, and points where the host is killed; [`state`]: what a cluster came to;
//! - [`guests`]: built components, other versions of them, and a plugin folder;
//! - [`account`]: a host with the rights of the printed roles and no others;
//! - [`checks`]: what may never happen, as pure functions over what was recorded;
//! - [`stage`]: all of these together, as most tests begin;
//! - [`objects`], [`wait`], [`paths`], [`suite`]: the small tools of the suites.
//!
//! Invariant: nothing here imitates Kubernetes. A fault is injected in front of the real API server.

pub mod account;
pub mod checks;
pub mod cluster;
pub mod crew;
pub mod guests;
pub mod host;
pub mod objects;
pub mod paths;
pub mod plan;
pub mod plugin_objects;
pub mod proxy;
pub mod puppet;
pub mod stage;
pub mod state;
pub mod suite;
pub mod wait;
