//! Decisions: what is due, what makes way for it, and what is cleared away.
//!
//! Each time of the schedule is decided upon once: a Task is created, or with `Forbid` the run is skipped
//! because the previous one is active, or it is too late for it. `lastScheduleTime` is the last time that
//! was decided upon, whichever way, so a skipped run is not made up for. Of several times that have passed,
//! only the last is decided upon; the others are counted as missed. While a CronTask is suspended nothing is
//! decided, so that the last missed run starts when it resumes.

use joch_crds::kubetask::ConcurrencyPolicy;
use joch_plugin::{Outcome, Timestamp};
use serde_json::Value;

use super::{
    history,
    objects::{CronTask, Run, rfc3339, seconds, timestamp, unix},
    schedule::{COUNTED, Schedule},
    status::{Note, Report},
    task,
};
use crate::job::MAX_TASK_NAME;

/// How many Tasks are deleted at once: the calls of one reconcile are bounded.
pub const BATCH: usize = 20;

/// How far ahead of the clock a time that was decided upon may be. Clocks are set back by a little, and then
/// catch up; a time further ahead was never right.
const CLOCK_TOLERANCE: i64 = 3600;

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Tasks that make way for the new one.
    pub replaced: Vec<Run>,
    /// The Task to create.
    pub start: Option<Start>,
    /// The status, as it is without that Task.
    pub report: Report,
    /// What is worth an Event.
    pub note: Option<Note>,
    /// Finished Tasks beyond the limits.
    pub surplus: Vec<Run>,
    /// When to look again.
    pub outcome: Outcome,
}

/// A Task to create.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// For which time.
    pub at: i64,
    /// The Task.
    pub task: Value,
    /// What it says about earlier times; none if there is nothing new to say.
    pub missed: Option<Note>,
}

impl Plan {
    /// Decides for no Task.
    fn pass_over(mut self, at: i64, note: Note, missed: Option<Note>) -> Self {
        self.report = self.report.passed_over(at, &note, missed.as_ref());
        self.note = Some(note);
        self
    }
}

/// What is to be done about a CronTask, given its Tasks.
#[must_use]
pub fn plan(cron: &CronTask, runs: &[Run], now: Timestamp) -> Plan {
    let mut plan = Plan {
        replaced: Vec::new(),
        start: None,
        report: Report::of(cron, runs),
        note: None,
        surplus: history::surplus(cron, runs),
        outcome: Outcome::Done,
    };
    if plan.surplus.len() > BATCH {
        plan.surplus.truncate(BATCH);
        plan.outcome = Outcome::after_secs(1);
    }
    let schedule = match check(cron) {
        Ok(schedule) => schedule,
        Err((reason, message)) => {
            plan.report = plan.report.not_started(reason, &message);
            return plan;
        }
    };
    plan.report = plan.report.valid();
    let now_s = unix(now);
    let told = told(cron, now_s);
    let created = || cron.metadata.creation_timestamp.as_deref().and_then(seconds);
    let last = last_run(cron, runs, now_s).filter(|(at, _)| Some(*at) > told);
    if let Some((at, run)) = last {
        // The status was lost after the Task had been created: what it told is told now.
        let missed = told.or_else(created).and_then(|anchor| missed(&schedule, anchor, at));
        plan.report = plan.report.started(at, run, missed.as_ref());
        plan.note = missed;
    }
    let decided = last.map(|(at, _)| at).or(told);
    let anchor = decided.or_else(created).unwrap_or(now_s);
    let due = schedule.latest(anchor, now_s);
    let Some(next) = schedule.next(due.unwrap_or(anchor)) else {
        let message =
            format!("the schedule {:?} has no time within five years", cron.spec.schedule);
        plan.report = plan.report.not_started("NeverDue", &message);
        return plan;
    };
    if cron.spec.suspend == Some(true) {
        return plan;
    }
    plan.report = plan.report.next(next);
    plan.outcome = plan.outcome.or_sooner(Outcome::RequeueAfter(timestamp(next).since(now)));
    let Some(at) = due else { return plan };
    let missed = missed(&schedule, anchor, at);
    decide(plan, cron, runs, Due { at, now: now_s, missed })
}

/// The schedule; or reason and message if no Task can ever be created.
fn check(cron: &CronTask) -> Result<Schedule, (&'static str, String)> {
    let longest = task::name(cron, 9_999_999_999).len();
    if longest > MAX_TASK_NAME {
        let most = MAX_TASK_NAME - (longest - cron.metadata.name.len());
        let message = format!(
            "the name of a CronTask has at most {most} characters, because its Jobs are named \
             <crontask>-<unix time>-job"
        );
        return Err(("InvalidName", message));
    }
    Schedule::parse(&cron.spec.schedule, cron.spec.time_zone.as_deref())
        .map_err(|why| ("InvalidSchedule", format!("Invalid cron schedule: {why}")))
}

/// The last time that was decided upon, as the status has it.
fn told(cron: &CronTask, now: i64) -> Option<i64> {
    let told = cron.status.as_ref()?.last_schedule_time.as_deref().and_then(seconds);
    told.filter(|time| is_credible(*time, now))
}

/// The last Task, and for which time it was created.
fn last_run<'a>(cron: &CronTask, runs: &'a [Run], now: i64) -> Option<(i64, &'a Run)> {
    let prefix = format!("{}-", cron.metadata.name);
    let at = |run: &Run| run.metadata.name.strip_prefix(&prefix)?.parse::<i64>().ok();
    let times = runs.iter().filter_map(|run| Some((at(run)?, run)));
    times.filter(|(at, _)| is_credible(*at, now)).max_by_key(|(at, _)| *at)
}

fn is_credible(time: i64, now: i64) -> bool {
    time <= now.saturating_add(CLOCK_TOLERANCE)
}

/// A time of the schedule that has come.
struct Due {
    at: i64,
    now: i64,
    /// What is to be said about the times before it.
    missed: Option<Note>,
}

fn decide(mut plan: Plan, cron: &CronTask, runs: &[Run], due: Due) -> Plan {
    let Due { at, now, missed } = due;
    let name = task::name(cron, at);
    // It was created before a clock was set back.
    if let Some(run) = runs.iter().find(|run| run.metadata.name == name) {
        plan.report = plan.report.started(at, run, None);
        return plan;
    }
    let late = now.saturating_sub(at);
    if cron.spec.starting_deadline_seconds.is_some_and(|deadline| late > deadline.max(0)) {
        let message = format!("the run of {} could not start in time", rfc3339(at));
        return plan.pass_over(at, Note { reason: "DeadlineMissed", message }, missed);
    }
    let mut active: Vec<Run> = runs.iter().filter(|run| run.is_active()).cloned().collect();
    match (cron.spec.concurrency_policy, active.first()) {
        (ConcurrencyPolicy::Forbid, Some(run)) => {
            let name = &run.metadata.name;
            let message =
                format!("skipped the run of {}, because Task {name} is still active", rfc3339(at));
            return plan.pass_over(at, Note { reason: "RunSkipped", message }, missed);
        }
        (ConcurrencyPolicy::Replace, _) => {
            let all = active.len() <= BATCH;
            active.truncate(BATCH);
            plan.report = plan.report.without(&active);
            plan.replaced = active;
            if !all {
                plan.outcome = Outcome::after_secs(1);
                return plan;
            }
        }
        _ => {}
    }
    let task = task::task(cron, &name, at);
    plan.start = Some(Start { name, at, task, missed });
    plan
}

/// What is to be said about the times before the one that is due.
fn missed(schedule: &Schedule, after: i64, due: i64) -> Option<Note> {
    let number = match schedule.count(after, due) {
        0 => return None,
        1 => "1 run".to_owned(),
        COUNTED => format!("{COUNTED} or more runs"),
        number => format!("{number} runs"),
    };
    let (after, due) = (rfc3339(after), rfc3339(due));
    let message = format!(
        "{number} between {after} and {due} did not start: of those missed, only the last does"
    );
    Some(Note { reason: "RunsMissed", message })
}
