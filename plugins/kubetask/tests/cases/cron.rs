//! CronTasks: KT-80 to KT-97.

mod schedule;
