//! The cases KT-xx of the KubeTask reference, each under its number.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod contexts;
mod credentials;
mod cron;
mod fixture;
mod grace;
mod human;
mod jobs;
mod keeping;
mod manifest;
mod samples;
mod shell;
mod start;
mod transitions;
mod ttl;
