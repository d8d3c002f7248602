//! The controller as a whole, against a host in memory: what it reads, in which order it writes, and what
//! it says when a step does not succeed.

use joch_plugin::{ConfigMap, Job, Kind, Outcome, fake::FakeHost};
use kubetask::TaskController;
use serde_json::{Value, json};

use crate::fixture::UID;

const TASK: Kind<Value> = Kind::new("kubetask.io/v1alpha1", "Task");
const AGENT: Kind<Value> = Kind::new("kubetask.io/v1alpha1", "Agent");

/// A host with the Task `ns/t`, which has one file, and no Agent.
fn host() -> FakeHost {
    let host = FakeHost::new();
    let file = json!({ "filePath": "/workspace/task.md", "source": { "inline": "Do it." } });
    let spec = json!({ "contexts": [{ "type": "File", "file": file }] });
    host.put(TASK, "ns/t", &json!({ "metadata": { "uid": UID }, "spec": spec }));
    host
}

fn with_agent() -> FakeHost {
    let host = host();
    host.put(AGENT, "ns/default", &json!({ "spec": { "serviceAccountName": "runner" } }));
    host
}

#[track_caller]
fn reconcile(host: &FakeHost) -> Outcome {
    host.reconcile(&TaskController, TASK, "ns/t").unwrap()
}

/// Phase, and each condition's type, status and reason.
fn summary(host: &FakeHost) -> String {
    let status = host.status(TASK, "ns/t");
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut summary = text(&status["phase"]);
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let [kind, holds, reason] =
            ["type", "status", "reason"].map(|field| text(&condition[field]));
        summary += &format!("; {kind}={holds}/{reason}");
    }
    summary
}

#[test]
fn a_task_becomes_a_config_map_and_a_job_and_runs_to_its_end() {
    let host = with_agent();
    assert_eq!(reconcile(&host), Outcome::Done);
    let expected =
        ["apply ConfigMap ns/t-context", "create Job ns/t-job", "merge Task ns/t/status"];
    assert_eq!(host.wrote(), expected);
    assert_eq!(summary(&host), "Running; Ready=True/JobStarted");
    assert_eq!(host.status(TASK, "ns/t")["jobName"], "t-job");
    let files = host.find(ConfigMap::KIND, "ns/t-context").unwrap();
    assert_eq!(files.data["workspace-task.md"], "Do it.");
    assert!(files.metadata.is_controlled_by(UID));
    let job = host.find(Job::KIND, "ns/t-job").unwrap();
    assert!(job.metadata.is_controlled_by(UID));
    let account = "/spec/template/spec/serviceAccountName";
    assert_eq!(host.jobs()[0].pointer(account), Some(&json!("runner")));

    host.forget();
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(host.wrote(), [""; 0], "a running Task causes no write");

    host.patch(Job::KIND, "ns/t-job", &json!({ "status": { "succeeded": 1 } }));
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(host.wrote(), ["merge Task ns/t/status"]);
    assert_eq!(summary(&host), "Completed; Ready=True/JobStarted; Succeeded=True/JobSucceeded");
}

#[test]
fn a_missing_agent_is_waited_for() {
    let host = host();
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(host.wrote(), ["merge Task ns/t/status"]);
    assert_eq!(summary(&host), "Pending; Ready=False/AgentError");

    host.put(AGENT, "ns/default", &json!({ "spec": { "serviceAccountName": "runner" } }));
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(summary(&host), "Running; Ready=True/JobStarted");
}

#[test]
fn a_foreign_job_or_config_map_is_left_alone() {
    for (kind, name, reason) in [
        (Job::KIND.of::<Value>(), "ns/t-job", "JobNameTaken"),
        (ConfigMap::KIND.of(), "ns/t-context", "ContextNameTaken"),
    ] {
        let host = with_agent();
        host.put(kind, name, &json!({ "metadata": { "labels": { "whose": "mine" } } }));
        let before = host.find(kind, name);
        assert_eq!(reconcile(&host), Outcome::Done);
        assert_eq!(host.wrote(), ["merge Task ns/t/status"]);
        assert_eq!(summary(&host), format!("Pending; Ready=False/{reason}"));
        assert_eq!(host.find(kind, name), before);
    }
}

#[test]
fn a_job_that_is_not_started_is_tried_again_in_time() {
    let host = with_agent();
    host.deny("create", "batch/v1/Job");
    assert_eq!(reconcile(&host), Outcome::after_secs(300));
    assert_eq!(summary(&host), "Pending; Ready=False/JobDenied");

    let host = with_agent();
    host.max_jobs(0);
    assert_eq!(reconcile(&host), Outcome::after_secs(15));
    assert_eq!(summary(&host), "Pending; Ready=False/TooManyJobs");

    let host = with_agent();
    host.put(
        Job::KIND,
        "ns/t-job",
        &json!({ "metadata": {
        "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["orphan"],
        "ownerReferences": [{ "apiVersion": "kubetask.io/v1alpha1", "kind": "Task", "name": "t",
            "uid": "an-earlier-uid", "controller": true }],
    } }),
    );
    reconcile(&host);
    assert!(summary(&host).starts_with("Pending; Ready=False/JobNameTaken"), "{}", summary(&host));
}
