//! The command line as people run it: every verb, every way to fail with its sentence.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failing step ends the test, in helpers as in tests"
)]

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
