//! How long a Task waits for what does not exist.
//!
//! The clock is the host's own word: since when the status has said what is missing. A host that was down
//! blames nobody, a change of the story (another reason, another name, an edited spec) starts the clock
//! anew, and nothing has to be remembered besides the status.

use std::time::Duration;

use joch_crds::kubetask::TaskStatus;
use joch_plugin::{Outcome, Timestamp};

use crate::{objects::Task, status};

/// The status of a Task that lacks something, and when to look again: pending until the grace is over,
/// then failed for the same reason.
#[must_use]
pub fn lacking(
    task: &Task,
    reason: &str,
    message: String,
    grace: Duration,
    now: Timestamp,
) -> (TaskStatus, Outcome) {
    let waited =
        said_since(task, reason, &message).map_or(Duration::ZERO, |since| now.since(since));
    let left = grace.saturating_sub(waited);
    if left.is_zero() {
        (status::rejected(reason, message), Outcome::Done)
    } else {
        (status::pending(reason, message), Outcome::RequeueAfter(left))
    }
}

/// Since when the status has said just this. A condition's time moves only with its `status`, so one
/// that was False for another reason before is as old as that; then the status was written later.
fn said_since(task: &Task, reason: &str, message: &str) -> Option<Timestamp> {
    let status = task.status.as_ref()?;
    let ready = status.conditions.iter().find(|condition| condition.kind == "Ready")?;
    if (ready.status.as_str(), ready.reason.as_str(), ready.message.as_str())
        != ("False", reason, message)
    {
        return None;
    }
    let flipped: Timestamp = ready.last_transition_time.as_deref()?.parse().ok()?;
    let written = status.updated_at.as_deref().and_then(|time| time.parse().ok());
    Some(written.map_or(flipped, |written| flipped.max(written)))
}
