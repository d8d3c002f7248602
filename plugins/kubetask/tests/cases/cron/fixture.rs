//! CronTasks and their Tasks as YAML, and the plan that follows from them in brief.

use joch_plugin::{Outcome, Timestamp};
use kubetask::cron::{
    objects::{CronTask, Run},
    plan::{self, Plan},
};
use serde_json::{Map, Value, json};

use crate::fixture::yaml;

/// A CronTask `c`, created on 2026-03-02 at 10:00:30, due every five minutes, with more of a spec.
pub(crate) fn cron(spec: &str) -> CronTask {
    let mut wanted: Value = yaml("{schedule: '*/5 * * * *', taskTemplate: {spec: {contexts: []}}}");
    let more: Map<String, Value> = yaml(&format!("{{{spec}}}"));
    wanted.as_object_mut().unwrap().extend(more);
    let mut cron: CronTask = serde_json::from_value(json!({ "spec": wanted })).unwrap();
    cron.metadata =
        yaml("{name: c, namespace: ns, uid: uid-of-c, creationTimestamp: '2026-03-02T10:00:30Z'}");
    cron
}

/// The same with a status.
pub(crate) fn cron_with(spec: &str, status: &str) -> CronTask {
    let mut cron = cron(spec);
    cron.status = Some(yaml(status));
    cron
}

/// A time of day.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-03-02T{time}Z").parse().unwrap()
}

/// Seconds since 1970 of a time of day.
pub(crate) fn unix(time: &str) -> i64 {
    i64::try_from(at(time).unix_ms() / 1000).unwrap()
}

/// The Task for a time of day, with a status.
pub(crate) fn run(time: &str, status: &str) -> Run {
    let name = format!("c-{}", unix(time));
    yaml(&format!(
        "{{metadata: {{name: {name}, namespace: ns, uid: uid-of-{name}, creationTimestamp: '2026-03-02T{time}Z'}}, \
         status: {status}}}"
    ))
}

pub(crate) fn plan(cron: &CronTask, runs: &[Run], now: &str) -> Plan {
    plan::plan(cron, runs, at(now))
}

/// The time of day for which a Task of this name is.
pub(crate) fn time_of(name: &str) -> String {
    let unix: u64 = name.strip_prefix("c-").unwrap().parse().unwrap();
    Timestamp::from_unix_ms(unix * 1000).to_string()[11..19].to_owned()
}

/// What is deleted, created, deleted afterwards, and when to look again: `replace 10:05; create 10:10`.
pub(crate) fn actions(plan: &Plan) -> String {
    let times = |runs: &[Run]| {
        let times: Vec<_> = runs.iter().map(|run| time_of(&run.metadata.name)).collect();
        times.join(" ")
    };
    let mut actions = Vec::new();
    if !plan.replaced.is_empty() {
        actions.push(format!("replace {}", times(&plan.replaced)));
    }
    if let Some(start) = &plan.start {
        actions.push(format!("create {}", time_of(&start.name)));
    }
    if !plan.surplus.is_empty() {
        actions.push(format!("clear {}", times(&plan.surplus)));
    }
    actions.push(match plan.outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::RequeueAfter(time) => format!("again in {} s", time.as_secs_f64()),
    });
    actions.join("; ")
}

/// `Scheduled=True/TaskCreated: …`, each condition after the other.
pub(crate) fn told(plan: &Plan) -> String {
    let tell = plan
        .report
        .conditions
        .iter()
        .map(|c| format!("{}={}/{}: {}", c.kind, c.status, c.reason, c.message));
    tell.collect::<Vec<_>>().join("; ")
}

/// The times of the active Tasks.
pub(crate) fn active(plan: &Plan) -> String {
    let active = plan.report.active.iter().flatten();
    active.map(|one| time_of(one.name.as_deref().unwrap())).collect::<Vec<_>>().join(" ")
}
