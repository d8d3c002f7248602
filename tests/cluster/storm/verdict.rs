//! What a storm left behind, judged: pure, so that each judgement is tested without a storm.

use std::collections::{BTreeMap, HashSet};

use joch_core::name::Digest;
use joch_tests::checks::{self, Violation};
use joch_tests::host::Reconcile;
use joch_tests::objects::phase;
use joch_tests::proxy::Entry;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use serde_json::Value;

/// Everything that is known after a storm.
pub(super) struct Evidence<'a> {
    pub(super) tasks: &'a [DynamicObject],
    pub(super) log: &'a [Vec<Reconcile>],
    pub(super) entries: &'a [Entry],
    /// All versions of the plugin, in their order.
    pub(super) versions: &'a [Digest],
    /// The mark at the proxy after which no Task may have been written to.
    pub(super) settled: usize,
    pub(super) ends_well: &'a dyn Fn(&str) -> bool,
}

/// The phase of a Task in the end.
pub(super) fn expected_phase(ends_well: bool) -> &'static str {
    if ends_well { "Completed" } else { "Running" }
}

/// Everything that is wrong.
pub(super) fn violations(evidence: &Evidence<'_>) -> Vec<Violation> {
    let Evidence { tasks, log, entries, versions, settled, ends_well } = evidence;
    let owners: BTreeMap<String, String> =
        tasks.iter().map(|task| (task.uid().unwrap_or_default(), task.name_any())).collect();
    let mut found = checks::one_post_per_owner(entries, "jobs", &owners);
    found.extend(checks::already_exists(entries));
    found.extend(tasks.iter().filter_map(|task| status(task, ends_well(&task.name_any()))));
    found.extend(checks::overlaps(log));
    found.extend(checks::went_back(log, versions));
    found.extend(checks::settled_writes(entries, "tasks", &["Completed", "Failed"]));
    found.extend(silence(entries, *settled));
    found.extend(unseen(tasks, log));
    found
}

/// The violations, one a line, not more than a person reads.
pub(super) fn listed(violations: &[Violation]) -> String {
    let mut lines: Vec<String> = violations.iter().take(20).map(|v| format!("- {v}")).collect();
    lines.insert(0, format!("{} violations:", violations.len()));
    lines.join("\n")
}

pub(super) fn writes_to_tasks(entry: &Entry) -> bool {
    entry.request.is_write() && entry.request.resource == "tasks"
}

/// How many versions ran at least one reconcile.
pub(super) fn versions_seen(log: &[Vec<Reconcile>]) -> usize {
    log.iter().flatten().map(|line| &line.digest).collect::<HashSet<_>>().len()
}

/// What is wrong with a Task's status.
fn status(task: &DynamicObject, ends_well: bool) -> Option<Violation> {
    let name = task.name_any();
    let field =
        |field: &str| task.data.pointer(&format!("/status/{field}")).cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    if phase(task) != expected_phase(ends_well) {
        wrong.push("phase");
    }
    if field("jobName") != format!("{name}-job") {
        wrong.push("jobName");
    }
    if field("observedGeneration") != task.metadata.generation.unwrap_or_default() {
        wrong.push("observedGeneration");
    }
    wrong.extend(["startTime", "startedAt"].into_iter().filter(|name| !field(name).is_string()));
    let finished = |name: &&str| field(name).is_string() != ends_well;
    wrong.extend(["completionTime", "finishedAt"].into_iter().filter(finished));
    let status = task.data.get("status").unwrap_or(&Value::Null);
    let text = format!("{name}: {} in {status}", wrong.join(", "));
    (!wrong.is_empty()).then_some(Violation::Status(text))
}

/// Writes to Tasks after everything had come to rest.
fn silence(entries: &[Entry], settled: usize) -> impl Iterator<Item = Violation> {
    let late = entries.iter().skip(settled).filter(|entry| writes_to_tasks(entry));
    late.map(|Entry { request, body, .. }| {
        Violation::SettledWrite(format!("at rest: {} {} {body}", request.verb, request.path))
    })
}

/// Tasks that the log does not tell of: then it proves nothing about them.
fn unseen(tasks: &[DynamicObject], log: &[Vec<Reconcile>]) -> impl Iterator<Item = Violation> {
    let seen: HashSet<&str> = log.iter().flatten().map(|line| line.key.as_str()).collect();
    let key = |task: &DynamicObject| {
        format!("kubetask/task Task {}/{}", task.namespace().unwrap_or_default(), task.name_any())
    };
    tasks
        .iter()
        .map(key)
        .filter(move |key| !seen.contains(key.as_str()))
        .map(|key| Violation::Log(format!("it tells nothing of {key}")))
}

#[cfg(test)]
mod tests {
    use joch_tests::host::Step;
    use joch_tests::proxy::ApiRequest;
    use serde_json::json;

    use super::*;

    fn task(status: &Value) -> DynamicObject {
        let object = json!({
            "apiVersion": "kubetask.io/v1alpha1", "kind": "Task",
            "metadata": {"name": "t", "namespace": "n", "uid": "u", "generation": 1},
            "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    fn running() -> Value {
        json!({"phase": "Running", "jobName": "t-job", "observedGeneration": 1,
            "startTime": "2026-01-01T00:00:00Z", "startedAt": "2026-01-01T00:00:00Z"})
    }

    fn write(method: &str, path: &str, body: Value) -> Entry {
        Entry {
            number: 0,
            at: std::time::SystemTime::UNIX_EPOCH,
            request: ApiRequest::parse(&method.parse().unwrap(), &path.parse().unwrap()),
            body,
            code: Some(200),
            reason: None,
            answered: None,
        }
    }

    fn check(
        status: &Value,
        log: &[Reconcile],
        entries: &[Entry],
        settled: usize,
    ) -> Vec<Violation> {
        violations(&Evidence {
            tasks: &[task(status)],
            log: &[log.to_vec()],
            entries,
            versions: &[Digest::of(b"1")],
            settled,
            ends_well: &|_| false,
        })
    }

    fn log() -> Vec<Reconcile> {
        let line = |step| Reconcile {
            step,
            key: "kubetask/task Task n/t".to_owned(),
            digest: Digest::of(b"1").to_string(),
            id: "1".to_owned(),
            outcome: String::new(),
        };
        vec![line(Step::Started), line(Step::Finished)]
    }

    fn post() -> Entry {
        let body = json!({"metadata": {"ownerReferences": [{"controller": true, "uid": "u"}]}});
        write("POST", "/apis/batch/v1/namespaces/n/jobs", body)
    }

    #[test]
    fn what_is_right_is_not_a_violation() {
        assert_eq!(check(&running(), &log(), &[post()], 1), []);
    }

    #[test]
    fn each_wrong_field_of_a_status_is_named() {
        for (field, value) in [
            ("phase", json!("Pending")),
            ("jobName", json!("u-job")),
            ("observedGeneration", json!(0)),
            ("startTime", Value::Null),
            ("finishedAt", json!("2026-01-01T00:00:00Z")),
        ] {
            let mut status = running();
            status[field] = value;
            let text = listed(&check(&status, &log(), &[post()], 1));
            assert!(text.contains(&format!("t: {field} in")), "{text}");
        }
    }

    #[test]
    fn a_write_at_rest_and_a_task_without_log_are_violations() {
        let path = "/apis/kubetask.io/v1alpha1/namespaces/n/tasks/t/status";
        let late = write("PATCH", path, json!({"status": {"phase": "Running"}}));
        let found = check(&running(), &log(), &[post(), late.clone()], 1);
        assert!(matches!(found.as_slice(), [Violation::SettledWrite(_)]), "{found:?}");
        assert_eq!(check(&running(), &log(), &[post(), late], 2), []);
        let found = check(&running(), &[], &[post()], 1);
        assert!(matches!(found.as_slice(), [Violation::Log(_)]), "{found:?}");
    }
}
