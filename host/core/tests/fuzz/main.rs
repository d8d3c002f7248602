//! Fuzz targets: what is read from plugins and operators, held against properties. Bounded in `cargo test`,
//! longer by `make fuzz`; `host/ARCHITECTURE.md` lists them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod hosts;
mod manifest;
mod names;
mod selectors;
mod status;

/// Where inputs that failed once are kept.
const KEPT: &str = "tests/fuzz/kept";
