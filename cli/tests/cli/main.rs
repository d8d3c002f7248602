//! The command line as people run it: every verb, every way to fail with its sentence.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod build;
mod check;
mod completion;
mod inspect;
mod new;
mod pack;
mod project;
mod reference;
mod run;
mod test;
