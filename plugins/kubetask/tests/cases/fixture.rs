//! Objects as YAML, and the plan that follows from them.

use std::collections::BTreeMap;

use joch_crds::kubetask::TaskStatus;
use joch_plugin::{Outcome, Timestamp};
use kubetask::{
    contexts::ConfigMaps,
    objects::{Agent, Job, Task},
    plan::{self, Launch, Next, Start},
    settings::Settings,
};
use serde::de::DeserializeOwned;

/// The uid of every Task in these tests.
pub(crate) const UID: &str = "uid-of-t";
/// When the calls of these tests happen.
pub(crate) const NOON: &str = "2026-01-01T12:00:00Z";

pub(crate) fn yaml<T: DeserializeOwned>(text: &str) -> T {
    serde_norway::from_str(text).expect(text)
}

/// A Task `t` in namespace `ns` with this spec.
pub(crate) fn task(spec: &str) -> Task {
    let mut task: Task = yaml(&format!("spec: {spec}"));
    task.metadata = yaml(&format!("{{name: t, namespace: ns, uid: {UID}, generation: 1}}"));
    task
}

/// A Task that says it runs, with the generation that it saw.
pub(crate) fn running_task(generation: i64, observed: i64) -> Task {
    let mut task = task("{contexts: []}");
    task.metadata.generation = Some(generation);
    task.status = Some(yaml(&format!("{{phase: Running, observedGeneration: {observed}}}")));
    task
}

/// An Agent with this spec, besides the service account.
pub(crate) fn agent(spec: &str) -> Agent {
    let mut agent: Agent = yaml(&format!("spec: {{serviceAccountName: runner, {spec}}}"));
    agent.metadata.name = "default".to_owned();
    agent
}

/// A Task with one inline file.
pub(crate) fn simple_task() -> Task {
    task(
        "{contexts: [{type: File, file: {filePath: /workspace/task.md, source: {inline: Do it.}}}]}",
    )
}

/// The Task's Job with this status.
pub(crate) fn job_of(uid: &str, status: &str) -> Job {
    yaml(&format!(
        "{{metadata: {{name: t-job, ownerReferences: [{{apiVersion: kubetask.io/v1alpha1, kind: Task, \
         name: t, uid: {uid}, controller: true}}]}}, status: {status}}}"
    ))
}

/// ConfigMaps by name: their data, or `null`.
pub(crate) fn config_maps(text: &str) -> ConfigMaps {
    yaml(text)
}

pub(crate) fn at(time: &str) -> Timestamp {
    time.parse().expect(time)
}

pub(crate) fn launch(task: &Task, agent: &Agent, maps: &ConfigMaps) -> Launch {
    match plan::start(task, Some(agent), maps, &Settings::default(), at(NOON)) {
        Start::Launch(launch) => *launch,
        Start::Wait(status, _) => panic!("not started: {status:?}"),
    }
}

pub(crate) fn refusal(task: &Task, agent: Option<&Agent>, maps: &ConfigMaps) -> TaskStatus {
    waits(task, agent, maps, &Settings::default(), NOON).0
}

/// What is said of a Task that does not start at this time, and when it is looked at again.
pub(crate) fn waits(
    task: &Task,
    agent: Option<&Agent>,
    maps: &ConfigMaps,
    settings: &Settings,
    now: &str,
) -> (TaskStatus, Outcome) {
    match plan::start(task, agent, maps, settings, at(now)) {
        Start::Launch(launch) => panic!("started: {}", launch.job),
        Start::Wait(status, outcome) => (status, outcome),
    }
}

pub(crate) fn reported(task: &Task, job: Option<&Job>) -> TaskStatus {
    match plan::next(task, job) {
        Next::Report(status) => status,
        Next::Start => panic!("nothing to report"),
    }
}

/// Phase, then each condition: `Pending; Ready=False/AgentError: no agent`.
pub(crate) fn summary(status: &TaskStatus) -> String {
    let mut text = format!("{:?}", status.phase.expect("a phase"));
    for c in &status.conditions {
        text += &format!("; {}={}/{}: {}", c.kind, c.status, c.reason, c.message);
    }
    text
}

pub(crate) fn none() -> ConfigMaps {
    BTreeMap::new()
}
