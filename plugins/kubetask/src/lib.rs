//! The controller of `kubetask.io`: a Task becomes a ConfigMap with its files and a Job that runs the Agent.
//! That of CronTasks is in [`cron`].
//!
//! Decisions are pure functions ([`plan`], [`contexts`], [`job`], [`status`]); this file only reads, writes
//! and hands over. A Task costs four calls to the API server: the ConfigMap, the Job, the status when
//! the Job has started and the status when it has ended. `Pending` is written only when there is something
//! to wait for: otherwise the Job starts in the same reconcile, and nobody could ever see it.

pub mod contexts;
pub mod cron;
pub mod job;
pub mod keys;
pub mod objects;
pub mod plan;
pub mod status;

use joch_crds::kubetask::TaskStatus;
use joch_plugin::{Context, Controller, Error, Failure, Freshness, Kind, Outcome, plugin};

use contexts::ConfigMaps;
use objects::{Agent, Head, Job, Task, Texts};
use plan::{Launch, Next, Start};

const AGENT: Kind<Agent> = Kind::new("kubetask.io/v1alpha1", "Agent");
const CONFIG_MAP: Kind<Texts> = Kind::new("v1", "ConfigMap");
const JOB: Kind<Job> = Kind::new("batch/v1", "Job");

plugin! {
    manifest: "plugin.toml",
    controllers: { "task" => TaskController, "crontask" => cron::CronTaskController },
}

/// Runs Tasks.
#[derive(Clone, Copy, Debug)]
pub struct TaskController;

impl Controller for TaskController {
    type Object = Task;

    fn reconcile(&self, cx: &Context, task: Task) -> Result<Outcome, Failure> {
        if plan::is_settled(&task) {
            return Ok(Outcome::Done);
        }
        // That a started Job is gone has to be certain. One that was not started may stay unseen: the
        // host answers a second start with the first one's Job.
        let fresh = if plan::has_started(&task) { Freshness::Confirmed } else { Freshness::Cached };
        let job = cx.read(JOB, &job::job_name(&task)).fresh(fresh).find()?;
        match plan::next(&task, job.as_ref()) {
            Next::Report(status) => report(cx, &status),
            Next::Start => start(cx, &task),
        }
    }
}

fn start(cx: &Context, task: &Task) -> Result<Outcome, Failure> {
    let agent = cx.find(AGENT, plan::agent_name(task))?;
    let config_maps = match &agent {
        Some(agent) => read_config_maps(cx, task, agent)?,
        None => ConfigMaps::new(),
    };
    match plan::start(task, agent.as_ref(), &config_maps) {
        Start::Report(status) => report(cx, &status),
        Start::Launch(launch) => self::launch(cx, task, &launch),
    }
}

fn read_config_maps(cx: &Context, task: &Task, agent: &Agent) -> Result<ConfigMaps, Error> {
    contexts::config_maps(task, agent)
        .into_iter()
        .map(|name| {
            let found = cx.read(CONFIG_MAP, name).fresh(Freshness::Live).find()?;
            Ok((name.to_owned(), found.map(|map| map.data)))
        })
        .collect()
}

fn launch(cx: &Context, task: &Task, launch: &Launch) -> Result<Outcome, Failure> {
    if let Some(files) = &launch.files {
        let name = job::context_name(task);
        let heads = CONFIG_MAP.of::<Head>();
        let existing = cx.read(heads, &name).fresh(Freshness::Cached).find()?;
        if existing.is_some_and(|map| !plan::is_ours(task, &map.metadata)) {
            return report(cx, &status::context_name_taken(&name));
        }
        match cx.change(CONFIG_MAP, &name).owned().force().apply(files) {
            Ok(_) => {}
            Err(Error::Invalid(reason)) => return report(cx, &status::invalid_contexts(reason)),
            Err(error) => return Err(error.into()),
        }
    }
    match cx.start_job(&launch.job) {
        Ok(_) => report(cx, &launch.status),
        Err(error) => match plan::not_started(task, &error) {
            Some((status, outcome)) => Ok(report(cx, &status)?.or_sooner(outcome)),
            None => Err(error.into()),
        },
    }
}

fn report(cx: &Context, status: &TaskStatus) -> Result<Outcome, Failure> {
    cx.report_status(status)?;
    Ok(Outcome::Done)
}
