//! The controllers of `kubetask.io`: a Task becomes a ConfigMap with its files and a Job that runs the Agent.
//! That of CronTasks is in [`cron`].
//!
//! Decisions are pure functions ([`plan`], [`contexts`], [`grace`], [`job`], [`human`], [`status`], [`ttl`]);
//! [`task`] only reads, writes and hands over.

pub mod contexts;
pub mod cron;
pub mod grace;
pub mod human;
pub mod job;
pub mod keys;
pub mod objects;
pub mod plan;
pub mod settings;
pub mod status;
pub mod task;
pub mod ttl;

use joch_plugin::plugin;

pub use task::TaskController;

plugin! {
    manifest: "plugin.toml",
    controllers: { "task" => TaskController, "crontask" => cron::CronTaskController },
}
