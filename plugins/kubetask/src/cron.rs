//! Tasks on a schedule.

pub mod schedule;
