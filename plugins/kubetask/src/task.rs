//! The Task controller: reads, decides by the pure modules, writes.
//!
//! A Task costs four calls to the API server: the ConfigMap, the Job, the status when the Job has started
//! and the status when it has ended. `Pending` is written only when there is something to wait for:
//! otherwise the Job starts in the same reconcile, and nobody could ever see it.

use std::collections::BTreeMap;

use joch_crds::kubetask::TaskStatus;
use joch_plugin::{
    Context, Controller, Error, Failure, Freshness, Kind, Outcome, Propagation, Read,
};
use serde::de::DeserializeOwned;

use crate::{
    contexts::{self, ConfigMaps},
    job,
    objects::{Agent, Config, Head, Job, Task, Texts},
    plan::{self, Launch, Next, Start},
    settings::Settings,
    status,
    ttl::{self, Verdict},
};

const TASK: Kind<Task> = Kind::new("kubetask.io/v1alpha1", "Task");
const AGENT: Kind<Agent> = Kind::new("kubetask.io/v1alpha1", "Agent");
const CONFIG: Kind<Config> = Kind::new("kubetask.io/v1alpha1", "KubeTaskConfig");
const CONFIG_MAP: Kind<Texts> = Kind::new("v1", "ConfigMap");
const JOB: Kind<Job> = Kind::new("batch/v1", "Job");

/// Runs Tasks.
#[derive(Clone, Copy, Debug)]
pub struct TaskController;

impl Controller for TaskController {
    type Object = Task;

    fn reconcile(&self, cx: &Context, task: Task) -> Result<Outcome, Failure> {
        if plan::is_leaving(&task) {
            return Ok(Outcome::Done);
        }
        if plan::is_finished(&task) {
            return clean_up(cx, &task);
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
    let settings: Settings = cx.config()?;
    let agent = find(cx.read(AGENT, plan::agent_name(task)))?;
    let config_maps = match &agent {
        Some(agent) => read_config_maps(cx, task, agent)?,
        None => ConfigMaps::new(),
    };
    match plan::start(task, agent.as_ref(), &config_maps, &settings, cx.now()) {
        Start::Wait(status, outcome) => Ok(report(cx, &status)?.or_sooner(outcome)),
        Start::Launch(launch) => self::launch(cx, task, &launch),
    }
}

/// Contents are read live; of a directory, only whether it exists.
fn read_config_maps(cx: &Context, task: &Task, agent: &Agent) -> Result<ConfigMaps, Error> {
    let mut found = ConfigMaps::new();
    for (name, contents) in contexts::config_maps(task, agent) {
        let map = if contents {
            find(cx.read(CONFIG_MAP, &name).fresh(Freshness::Live))?.map(|map| map.data)
        } else {
            find(cx.read(CONFIG_MAP.of::<Head>(), &name))?.map(|_| BTreeMap::new())
        };
        found.insert(name, map);
    }
    Ok(found)
}

fn launch(cx: &Context, task: &Task, launch: &Launch) -> Result<Outcome, Failure> {
    if let Some(files) = &launch.files {
        let name = job::context_name(task);
        let heads = CONFIG_MAP.of::<Head>();
        let existing = cx.read(heads, &name).fresh(Freshness::Cached).find()?;
        if existing.is_some_and(|map| !map.metadata.is_controlled_by(&task.metadata)) {
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

/// Deletes a finished Task when its time is over. The garbage collector removes what it owns.
fn clean_up(cx: &Context, task: &Task) -> Result<Outcome, Failure> {
    let decide = |fresh| {
        let config = cx.read(CONFIG, ttl::CONFIG_NAME).fresh(fresh).find()?;
        Ok::<_, Error>(ttl::decide(task, config.as_ref(), cx.now()))
    };
    let mut verdict = decide(Freshness::Cached)?;
    if verdict == Verdict::Delete {
        // What cannot be undone is decided on the newest settings.
        verdict = decide(Freshness::Live)?;
    }
    match verdict {
        Verdict::Keep => Ok(Outcome::Done),
        Verdict::KeepFor(time) => Ok(Outcome::RequeueAfter(time)),
        // The write wakes the Task.
        Verdict::Undated => report(cx, &status::same_phase(task)),
        Verdict::Delete => {
            cx.change(TASK, cx.name()).uid(cx.uid()).delete(Propagation::Background)?;
            Ok(Outcome::Done)
        }
    }
}

/// An object, if it is there. A name that no object can have is one that is not there.
fn find<T: DeserializeOwned>(read: Read<T>) -> Result<Option<T>, Error> {
    match read.find() {
        Err(Error::Invalid(_)) => Ok(None),
        found => found,
    }
}

fn report(cx: &Context, status: &TaskStatus) -> Result<Outcome, Failure> {
    cx.report_status(status)?;
    Ok(Outcome::Done)
}
