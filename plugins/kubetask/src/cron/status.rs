//! What a CronTask's status says.
//!
//! Only what the controller decides is in here: the host adds times and generations, and merges conditions by
//! type. `Scheduled` tells what became of the last time that was decided upon, or why nothing ever will;
//! `RunsMissed` how many earlier ones were passed over.

use joch_crds::{
    kubetask::TaskPhase,
    meta::{Condition, ObjectReference},
};
use serde::Serialize;

use super::{
    objects::{CronTask, Run, rfc3339, seconds},
    task::reference,
};
use crate::status::condition;

/// How many Tasks `active` names: the last ones.
const MAX_ACTIVE: usize = 1000;
/// The longest message, in bytes: it may quote what somebody wrote.
const MAX_MESSAGE: usize = 1024;
/// Reasons for which nothing is ever due. They are over once something is.
const HOPELESS: [&str; 3] = ["InvalidName", "InvalidSchedule", "NeverDue"];

/// The status to report. What is left out stays as it is, `null` removes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The Tasks that run now.
    pub active: Option<Vec<ObjectReference>>,
    /// The last time of the schedule that was decided upon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<String>,
    /// When a Task completed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<String>,
    /// The next time of the schedule.
    pub next_schedule_time: Option<String>,
    /// What is to be said anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Whether the status says nothing yet, or that nothing is ever due.
    #[serde(skip)]
    hopeless: bool,
    /// Whether the status says that runs were missed.
    #[serde(skip)]
    missed: bool,
}

/// News: one word and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The word.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

impl Report {
    /// What the Tasks alone tell.
    #[must_use]
    pub fn of(cron: &CronTask, runs: &[Run]) -> Self {
        let status = cron.status.clone().unwrap_or_default();
        let told = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
        let told_success = status.last_successful_time.as_deref().and_then(seconds);
        let completed = |run: &Run| seconds(run.status.completion_time.as_deref()?);
        let success = runs.iter().filter(|run| run.has_ended(TaskPhase::Completed));
        let success = success.filter_map(completed).max().filter(|at| Some(*at) > told_success);
        let active = runs.iter().filter(|run| run.is_active()).map(reference).collect();
        Self {
            last_successful_time: success.map(rfc3339),
            hopeless: told("Scheduled").is_none_or(|c| HOPELESS.contains(&c.reason.as_str())),
            missed: told("RunsMissed").is_some_and(|condition| condition.status == "True"),
            ..Self::default()
        }
        .with_active(active)
    }

    /// There are times at which something is due.
    #[must_use]
    pub fn valid(self) -> Self {
        if self.hopeless {
            self.with("Scheduled", "True", "ScheduleValid", "the schedule is valid")
        } else {
            self
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn next(self, at: i64) -> Self {
        Self { next_schedule_time: Some(rfc3339(at)), ..self }
    }

    /// The Task for this time exists.
    #[must_use]
    pub fn started(mut self, at: i64, run: &Run, missed: Option<&Note>) -> Self {
        if run.is_active() {
            let mut active = self.active.take().unwrap_or_default();
            active.retain(|other| other.uid != run.metadata.uid);
            active.push(reference(run));
            self = self.with_active(active);
        }
        let created = format!("Created Task {}", run.metadata.name);
        self.decided(at, missed).with("Scheduled", "True", "TaskCreated", &created)
    }

    /// There will be no Task for this time.
    #[must_use]
    pub fn passed_over(self, at: i64, why: &Note, missed: Option<&Note>) -> Self {
        self.decided(at, missed).with("Scheduled", "False", why.reason, &why.message)
    }

    /// There is no Task, and nothing is decided.
    #[must_use]
    pub fn not_started(self, reason: &str, message: &str) -> Self {
        self.with("Scheduled", "False", reason, message)
    }

    /// These Tasks are gone.
    #[must_use]
    pub fn without(mut self, gone: &[Run]) -> Self {
        let mut active = self.active.take().unwrap_or_default();
        active.retain(|one| !gone.iter().any(|run| run.metadata.uid == one.uid));
        self.with_active(active)
    }

    fn decided(mut self, at: i64, missed: Option<&Note>) -> Self {
        self.last_schedule_time = Some(rfc3339(at));
        match missed {
            Some(note) => {
                self.missed = true;
                self.with("RunsMissed", "True", note.reason, &note.message)
            }
            None if self.missed => {
                self.with("RunsMissed", "False", "InTime", "no run was missed before the last one")
            }
            None => self,
        }
    }

    fn with_active(self, mut active: Vec<ObjectReference>) -> Self {
        active.sort_by(|a, b| a.name.cmp(&b.name));
        active.drain(..active.len().saturating_sub(MAX_ACTIVE));
        Self { active: Some(active).filter(|active| !active.is_empty()), ..self }
    }

    fn with(mut self, kind: &str, status: &str, reason: &str, message: &str) -> Self {
        self.conditions.retain(|condition| condition.kind != kind);
        let message = message.get(..message.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default();
        self.conditions.push(condition(kind, status, reason, message));
        self
    }
}
