//! The engine with real WebAssembly: what loads, what a guest can do, and what it cannot do to others.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod abi;
mod finalizer;
mod guest;
mod hostile;
mod load;
mod private;
mod session;
mod speaks;
