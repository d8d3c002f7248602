//! The controller of CronTasks: Tasks on a schedule.
//!
//! Decisions are pure ([`plan`], [`schedule`], [`status`]); this file only reads, writes and hands over. The order of
//! the writes makes a lost one harmless: what makes way is deleted, the new Task is created under a name
//! that its time determines, the status tells, and only then finished Tasks are cleared away.

pub mod history;
pub mod objects;
pub mod plan;
pub mod schedule;
pub mod status;
pub mod task;

use joch_plugin::{Context, Controller, Error, Failure, Kind, Outcome, Propagation, Severity};

use objects::{CronTask, Run};
use plan::{Plan, Start};
use status::Note;

const TASK: Kind<Run> = Kind::new("kubetask.io/v1alpha1", "Task");

/// Creates Tasks on a schedule.
#[derive(Clone, Copy, Debug)]
pub struct CronTaskController;

impl Controller for CronTaskController {
    type Object = CronTask;

    fn reconcile(&self, cx: &Context, cron: CronTask) -> Result<Outcome, Failure> {
        if cron.metadata.deletion_timestamp.is_some() {
            return Ok(Outcome::Done);
        }
        let runs = cx.query(TASK).owned().fields(objects::RUN_FIELDS).list()?;
        let Plan { replaced, start, mut report, mut note, surplus, outcome } =
            plan::plan(&cron, &runs, cx.now());
        delete(cx, &replaced)?;
        if let Some(start) = start {
            match create(cx, &cron, &start)? {
                Ok(run) => {
                    report = report.started(start.at, &run, start.missed.as_ref());
                    note = start.missed;
                }
                Err(Note { reason, message }) => report = report.not_started(reason, &message),
            }
        }
        cx.report_status(&report)?;
        if let Some(note) = note {
            cx.event(Severity::Warning, note.reason, &note.message);
        }
        delete(cx, &surplus)?;
        Ok(outcome)
    }
}

/// Creates the Task, or says why it cannot be. One of that name that is this CronTask's own was created
/// before.
fn create(cx: &Context, cron: &CronTask, start: &Start) -> Result<Result<Run, Note>, Failure> {
    let name = &start.name;
    let note = |reason, message| Ok(Err(Note { reason, message }));
    match cx.change(TASK, name).owned().create(&start.task) {
        Ok(stored) => Ok(Ok(stored.object()?)),
        Err(Error::Invalid(why)) => note("TaskRefused", format!("Task {name} is refused: {why}")),
        Err(Error::AlreadyExists(_)) => match cx.get(TASK, name)? {
            run if run.metadata.is_controlled_by(&cron.metadata) => Ok(Ok(run)),
            _ => note(
                "TaskNameTaken",
                format!("Task {name} exists and does not belong to this CronTask"),
            ),
        },
        Err(error) => Err(error.into()),
    }
}

fn delete(cx: &Context, runs: &[Run]) -> Result<(), Error> {
    for Run { metadata, .. } in runs {
        let uid = metadata.uid.as_deref().unwrap_or_default();
        cx.change(TASK, &metadata.name).uid(uid).delete(Propagation::Background)?;
    }
    Ok(())
}
