//! CronTasks: KT-80 to KT-97.

mod due;
mod fixture;
mod history;
mod policies;
mod schedule;
mod shell;
