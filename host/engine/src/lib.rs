//! Runs plugins: everything of the host that knows wasmtime, and nothing that knows Kubernetes.
//!
//! [`Engine`] compiles and loads components, [`Plugin`] is one loaded version of a plugin and implements
//! `joch_core::port::Invoke`. What a guest may ask for goes through `joch_core::port::Session`.
//!
//! Guarantees: every call has an instance of its own; a guest that loops, allocates, recurses, traps,
//! floods the log or waits for ever costs its own call and nothing else; nothing here blocks a thread of
//! the async runtime but [`Engine::compile`] and [`Engine::load`], which say so.

mod budget;
mod capability;
mod clock;
mod config;
mod convert;
mod engine;
mod error;
mod failure;
mod imports;
mod limiter;
mod outgoing;
mod panic;
mod placeholders;
mod plugin;
mod stderr;
mod store;

pub use config::EngineConfig;
pub use engine::{Component, Engine};
pub use error::{EngineError, LoadError};
pub use imports::TRACKS;
pub use plugin::{Plugin, PluginSpec};
