//! How long a finished Task is kept.

use std::time::Duration;

use joch_plugin::Timestamp;

use crate::objects::{Config, Task};

/// Name of the KubeTaskConfig that counts.
pub const CONFIG_NAME: &str = "default";

/// What becomes of a finished Task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It stays for this time.
    KeepFor(Duration),
    /// It does not say when it finished: the host has to set the time.
    Undated,
    /// Its time is over.
    Delete,
}

/// What becomes of a finished Task under this KubeTaskConfig, or without one.
///
/// A time to live of 0 keeps it; so does a negative one, which only a definition without bounds lets through.
#[must_use]
pub fn decide(task: &Task, config: Option<&Config>, now: Timestamp) -> Verdict {
    let lifecycle =
        config.and_then(|config| config.spec.task_lifecycle.clone()).unwrap_or_default();
    let Some(seconds) =
        u64::try_from(lifecycle.ttl_seconds_after_finished).ok().filter(|seconds| *seconds > 0)
    else {
        return Verdict::Keep;
    };
    let Some(finished) = finished(task) else {
        return Verdict::Undated;
    };
    let left = (finished + Duration::from_secs(seconds)).since(now);
    if left.is_zero() { Verdict::Delete } else { Verdict::KeepFor(left) }
}

fn finished(task: &Task) -> Option<Timestamp> {
    task.status.as_ref()?.completion_time.as_deref()?.parse().ok()
}
