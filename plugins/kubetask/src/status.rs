//! What a Task's status says, case by case.
//!
//! Only what the controller decides is in here: the host adds times and generations, and merges
//! conditions by type. `Ready` tells whether the Task has everything it needs to run; `Succeeded` and
//! `Failed` how it ended.

use joch_crds::{
    kubetask::{TaskPhase, TaskStatus},
    meta::Condition,
};

use crate::objects::Task;

/// Waits until what the message names has changed.
#[must_use]
pub fn pending(reason: &str, message: impl Into<String>) -> TaskStatus {
    of(TaskPhase::Pending, condition("Ready", "False", reason, message))
}

/// Cannot run, now or later.
#[must_use]
pub fn rejected(reason: &str, message: impl Into<String>) -> TaskStatus {
    of(TaskPhase::Failed, condition("Ready", "False", reason, message))
}

/// The Job exists.
#[must_use]
pub fn running(job: &str) -> TaskStatus {
    let started = condition("Ready", "True", "JobStarted", format!("Job {job} is started"));
    TaskStatus { job_name: Some(job.to_owned()), ..of(TaskPhase::Running, started) }
}

/// The Job succeeded.
#[must_use]
pub fn completed(job: &str) -> TaskStatus {
    let succeeded = condition("Succeeded", "True", "JobSucceeded", format!("Job {job} succeeded"));
    TaskStatus { job_name: Some(job.to_owned()), ..of(TaskPhase::Completed, succeeded) }
}

/// The Job failed, or is gone.
#[must_use]
pub fn failed(job: &str, reason: &str, message: impl Into<String>) -> TaskStatus {
    let failed = condition("Failed", "True", reason, message);
    TaskStatus { job_name: Some(job.to_owned()), ..of(TaskPhase::Failed, failed) }
}

/// A ConfigMap of the name that the Task's own would have belongs to somebody else.
#[must_use]
pub fn context_name_taken(name: &str) -> TaskStatus {
    let message = format!("ConfigMap \"{name}\" exists and does not belong to this Task");
    pending("ContextNameTaken", message)
}

/// The contexts can never be mounted.
#[must_use]
pub fn invalid_contexts(message: impl Into<String>) -> TaskStatus {
    rejected("ContextError", message)
}

/// What it was, for the host to add what is missing: the time at which the Task finished.
#[must_use]
pub fn same_phase(task: &Task) -> TaskStatus {
    let phase = task.status.as_ref().and_then(|status| status.phase);
    TaskStatus { phase, ..TaskStatus::default() }
}

/// A note beside the phase.
#[must_use]
pub fn with(
    mut status: TaskStatus,
    kind: &str,
    reason: &str,
    message: impl Into<String>,
) -> TaskStatus {
    status.conditions.push(condition(kind, "True", reason, message));
    status
}

fn of(phase: TaskPhase, condition: Condition) -> TaskStatus {
    TaskStatus { phase: Some(phase), conditions: vec![condition], ..TaskStatus::default() }
}

/// A condition, as far as a controller decides it.
pub(crate) fn condition(
    kind: &str,
    status: &str,
    reason: &str,
    message: impl Into<String>,
) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        ..Condition::default()
    }
}
