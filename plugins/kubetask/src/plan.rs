//! Decisions: what is to be done about a Task, given what exists.

use joch_crds::kubetask::{DEFAULT_AGENT, TaskPhase, TaskStatus};
use joch_plugin::{Error, Outcome, StartError, Timestamp};
use serde_json::Value;

use crate::{
    contexts::{self, ConfigMaps, Resolved, Unresolved},
    grace, human, job,
    objects::{Agent, Condition, Job, Task},
    settings::Settings,
    status,
};

/// What a ConfigMap holds at most.
const MAX_CONTENT: usize = 1024 * 1024;

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The status says it all.
    Report(TaskStatus),
    /// Nothing runs yet: see whether it can be started.
    Start,
}

/// Whether a Task can be started.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// It cannot, or not yet: the status says why, the outcome when to look again.
    Wait(TaskStatus, Outcome),
    /// It can.
    Launch(Box<Launch>),
}

/// What is to be written, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The ConfigMap with the files.
    pub files: Option<Value>,
    /// The Job.
    pub job: Value,
    /// The status once the Job exists.
    pub status: TaskStatus,
}

/// Whether the Task goes away, and takes all it owns along.
#[must_use]
pub fn is_leaving(task: &Task) -> bool {
    task.metadata.deletion_timestamp.is_some()
}

/// Whether the Task has come to its end, which it never leaves.
#[must_use]
pub fn is_finished(task: &Task) -> bool {
    phase(task).is_some_and(TaskPhase::is_terminal)
}

/// Whether a Job was started, as far as the status knows.
#[must_use]
pub fn has_started(task: &Task) -> bool {
    phase(task) == Some(TaskPhase::Running)
}

/// Name of the Task's Agent.
#[must_use]
pub fn agent_name(task: &Task) -> &str {
    task.spec.agent_ref.as_deref().filter(|name| !name.is_empty()).unwrap_or(DEFAULT_AGENT)
}

/// What the Job of the Task's name, or its absence, means. A Job is started once only: if it is gone,
/// the Task has failed.
///
/// A Task is told to run before it is told to have ended, even if its Job ended while nobody looked: the host
/// takes the start from that, and the write wakes the Task for its end.
#[must_use]
pub fn next(task: &Task, job: Option<&Job>) -> Next {
    let name = job::job_name(task);
    let job = match job {
        Some(job) if job.metadata.is_controlled_by(&task.metadata) => job,
        _ if has_started(task) => {
            let gone = format!("Job {name} was deleted before it ended");
            return Next::Report(status::failed(&name, "JobMissing", gone));
        }
        Some(_) => return Next::Report(job_name_taken(&name)),
        None => return Next::Start,
    };
    let status = match ended(job) {
        Some(_) if !has_started(task) => status::running(&name),
        Some(Ended::Succeeded) => status::completed(&name),
        Some(Ended::Failed(why)) => {
            let message = match why {
                Some(why) if !why.message.is_empty() => why.message.clone(),
                _ => format!("Job {name} failed"),
            };
            let reason = why.map_or("JobFailed", |why| why.reason.as_str());
            status::failed(&name, reason_or(reason, "JobFailed"), message)
        }
        None => status::running(&name),
    };
    Next::Report(note_spec_change(task, status))
}

/// Whether the Task can be started now with this Agent and these ConfigMaps.
#[must_use]
pub fn start(
    task: &Task,
    agent: Option<&Agent>,
    config_maps: &ConfigMaps,
    settings: &Settings,
    now: Timestamp,
) -> Start {
    match prepare(task, agent, config_maps, settings) {
        Ok(launch) => Start::Launch(Box::new(launch)),
        Err(Obstacle::Missing { reason, message }) => {
            let (status, outcome) =
                grace::lacking(task, reason, message, settings.missing_grace(), now);
            Start::Wait(status, outcome)
        }
        Err(Obstacle::ForGood { reason, message }) => {
            Start::Wait(status::rejected(reason, message), Outcome::Done)
        }
    }
}

/// What a refused start means; none if it is to be tried again.
#[must_use]
pub fn not_started(task: &Task, error: &StartError) -> Option<(TaskStatus, Outcome)> {
    let name = job::job_name(task);
    let pending = |reason| status::pending(reason, error.to_string());
    Some(match error {
        // The Job's name was read, so the Task is woken when it is free again.
        StartError::NameTaken(_) => (job_name_taken(&name), Outcome::Done),
        StartError::NameTerminating(_) => (pending("JobNameTaken"), Outcome::after_secs(2)),
        StartError::OverBudget(_) => (pending("TooManyJobs"), Outcome::after_secs(15)),
        StartError::Refused(Error::Denied(_)) => (pending("JobDenied"), Outcome::after_secs(300)),
        StartError::Refused(Error::Invalid(_)) => {
            (status::rejected("JobRefused", error.to_string()), Outcome::Done)
        }
        _ => return None,
    })
}

/// Why a Task cannot start.
enum Obstacle {
    /// Something does not exist. It was read, so the Task is woken as soon as there is one.
    Missing { reason: &'static str, message: String },
    /// It never can.
    ForGood { reason: &'static str, message: String },
}

fn prepare(
    task: &Task,
    agent: Option<&Agent>,
    config_maps: &ConfigMaps,
    settings: &Settings,
) -> Result<Launch, Obstacle> {
    if task.metadata.name.len() > job::MAX_TASK_NAME {
        let message = format!("the name of a Task has at most {} characters", job::MAX_TASK_NAME);
        return Err(Obstacle::ForGood { reason: "InvalidName", message });
    }
    let name = agent_name(task);
    let Some(agent) = agent else {
        let namespace = &task.metadata.namespace;
        let message = format!(
            "Agent \"{name}\" not found in namespace \"{namespace}\": Agent.kubetask.io \"{name}\" not found"
        );
        return Err(Obstacle::Missing { reason: "AgentError", message });
    };
    if agent.spec.service_account_name.is_empty() {
        let message = format!("Agent \"{name}\" is missing the required field serviceAccountName");
        return Err(Obstacle::ForGood { reason: "AgentError", message });
    }
    let contexts = contexts::resolve(task, agent, config_maps)
        .and_then(|contexts| mountable(agent, contexts))
        .map_err(|why| match why {
            Unresolved::Missing(message) => Obstacle::Missing { reason: "ContextError", message },
            Unresolved::Invalid(message) => Obstacle::ForGood { reason: "ContextError", message },
        })?;
    let mut running = status::running(&job::job_name(task));
    if !contexts.ignored.is_empty() {
        let list = some_of(&contexts.ignored);
        running = status::with(running, "ContextIgnored", "NothingToMount", list);
    }
    if human::is_in_vain(&agent.spec) {
        let message = format!(
            "Agent \"{name}\" enables humanInTheLoop without a command: the container ends with its work"
        );
        running = status::with(running, "HumanInTheLoopIgnored", "NoCommand", message);
    }
    Ok(Launch {
        files: job::config_map(task, &contexts),
        job: job::job(task, agent, &contexts, settings),
        status: running,
    })
}

fn mountable(agent: &Agent, contexts: Resolved) -> Result<Resolved, Unresolved> {
    let mut places: Vec<_> = job::mount_paths(agent, &contexts).map(contexts::place).collect();
    places.sort_unstable();
    if let Some([place, _]) = places.array_windows().find(|[a, b]| a == b) {
        return Err(contexts::conflict(place));
    }
    // The root sorts before every other place.
    if places.first().is_some_and(|place| place == "/") {
        return Err(Unresolved::Invalid("nothing can be mounted at /".to_owned()));
    }
    let size: usize = contexts.files.iter().map(|file| file.key.len() + file.content.len()).sum();
    if size > MAX_CONTENT {
        let message = format!("the files have {size} bytes; a ConfigMap holds {MAX_CONTENT}");
        return Err(Unresolved::Invalid(message));
    }
    Ok(contexts)
}

enum Ended<'a> {
    Succeeded,
    Failed(Option<&'a Condition>),
}

/// Counts are enough, and conditions are too: a Job can fail by its deadline without a failed pod. A pod
/// that fails is not followed by another one (`backoffLimit` 0), so the first one tells.
fn ended(job: &Job) -> Option<Ended<'_>> {
    if job.status.succeeded > 0 || job.holds("Complete").is_some() {
        return Some(Ended::Succeeded);
    }
    let why = job.holds("Failed");
    // The target is set before the pods are counted; it has the reason, but is not yet the end.
    (job.status.failed > 0 || why.is_some())
        .then(|| Ended::Failed(why.or_else(|| job.holds("FailureTarget"))))
}

/// A running Task ignores edits of its spec: it says so, and may then speak of the new generation.
fn note_spec_change(task: &Task, status: TaskStatus) -> TaskStatus {
    let observed = task.status.as_ref().and_then(|status| status.observed_generation);
    if has_started(task) && observed.is_some() && observed < task.metadata.generation {
        let message =
            "the spec was changed after the start; the Job goes on with what it began with";
        status::with(status, "SpecChangeIgnored", "AlreadyStarted", message)
    } else {
        status
    }
}

fn job_name_taken(name: &str) -> TaskStatus {
    let message = format!("Job \"{name}\" exists and does not belong to this Task");
    status::pending("JobNameTaken", message)
}

fn phase(task: &Task) -> Option<TaskPhase> {
    task.status.as_ref().and_then(|status| status.phase)
}

/// The first of a list that may be long: a condition's message is bounded.
fn some_of(list: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = list.iter().take(SHOWN).map(String::as_str).collect();
    match list.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

fn reason_or<'a>(reason: &'a str, default: &'a str) -> &'a str {
    if reason.is_empty() { default } else { reason }
}
