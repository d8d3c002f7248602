//! The controller as a whole, against a host in memory: what it reads, in which order it writes, and what
//! it says when a step does not succeed.

use std::time::Duration;

use joch_plugin::{ConfigMap, Error, Job, Kind, Outcome, fake::FakeHost};
use kubetask::TaskController;
use serde_json::{Value, json};

use crate::fixture::{NOON, UID, at};

pub(crate) const TASK: Kind<Value> = Kind::new("kubetask.io/v1alpha1", "Task");
const AGENT: Kind<Value> = Kind::new("kubetask.io/v1alpha1", "Agent");

/// A host with the Task `ns/t`, which has one file, and no Agent.
pub(crate) fn host() -> FakeHost {
    let host = FakeHost::new();
    let file = json!({ "filePath": "/workspace/task.md", "source": { "inline": "Do it." } });
    let spec = json!({ "contexts": [{ "type": "File", "file": file }] });
    host.put(TASK, "ns/t", &json!({ "metadata": { "uid": UID }, "spec": spec }));
    host
}

pub(crate) fn with_agent() -> FakeHost {
    let host = host();
    host.put(AGENT, "ns/default", &json!({ "spec": { "serviceAccountName": "runner" } }));
    host
}

#[track_caller]
pub(crate) fn reconcile(host: &FakeHost) -> Outcome {
    host.reconcile(&TaskController, TASK, "ns/t").unwrap()
}

/// Phase, and each condition's type, status and reason.
pub(crate) fn summary(host: &FakeHost) -> String {
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
fn kt_11_a_missing_agent_is_waited_for() {
    let host = host();
    assert_eq!(reconcile(&host), Outcome::after_secs(30));
    assert_eq!(host.wrote(), ["merge Task ns/t/status"]);
    assert_eq!(summary(&host), "Pending; Ready=False/AgentError");

    host.put(AGENT, "ns/default", &json!({ "spec": { "serviceAccountName": "runner" } }));
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(summary(&host), "Running; Ready=True/JobStarted");
}

/// What the host does to a status, of which the fake one does nothing.
fn stamp_ready(host: &FakeHost, time: &str) {
    let mut status = host.status(TASK, "ns/t");
    status["conditions"][0]["lastTransitionTime"] = json!(time);
    status["updatedAt"] = json!(time);
    host.patch(TASK, "ns/t", &json!({ "status": status }));
}

#[test]
fn kt_11_the_grace_is_the_operators_and_ends_in_failure() {
    let host = host();
    host.config(&json!({ "missingGraceSeconds": 5 })).at(at(NOON));
    assert_eq!(reconcile(&host), Outcome::after_secs(5));
    stamp_ready(&host, NOON);
    host.forget().at(at(NOON) + Duration::from_secs(4));
    assert_eq!(reconcile(&host), Outcome::after_secs(1));
    assert_eq!(host.wrote(), [""; 0], "waiting costs no write");
    host.at(at(NOON) + Duration::from_secs(5));
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(summary(&host), "Failed; Ready=False/AgentError");
    assert!(host.jobs().is_empty());
}

#[test]
fn settings_that_do_not_fit_are_one_clear_error() {
    for (settings, named) in [
        (json!({ "missingGraceSecond": 5 }), "missingGraceSecond"),
        (json!({ "missingGraceSeconds": -5 }), "-5"),
        (json!({ "stopGraceSeconds": "soon" }), "soon"),
    ] {
        let host = with_agent();
        host.config(&settings);
        let failure = host.reconcile(&TaskController, TASK, "ns/t").unwrap_err();
        assert!(failure.is_permanent() && failure.message().contains("the plugin's config"));
        assert!(failure.message().contains(named), "{failure}");
        assert_eq!(host.wrote(), [""; 0]);
    }
}

#[test]
fn the_stop_grace_is_the_operators() {
    let host = with_agent();
    host.config(&json!({ "stopGraceSeconds": 60 }));
    reconcile(&host);
    let grace = "/spec/template/spec/terminationGracePeriodSeconds";
    assert_eq!(host.jobs()[0].pointer(grace), Some(&json!(60)));
}

/// Lets the Task have one file from key `k` of ConfigMap `m`, and a directory from ConfigMap `d`.
fn with_references(optional: bool) -> FakeHost {
    let host = with_agent();
    let key = json!({ "name": "m", "key": "k", "optional": optional });
    let file = json!({ "filePath": "/a", "source": { "configMapKeyRef": key } });
    let map = json!({ "name": "d", "optional": optional });
    let directory = json!({ "dirPath": "/d", "source": { "configMapRef": map } });
    let contexts = [file, directory].map(|file| json!({ "type": "File", "file": file }));
    host.patch(TASK, "ns/t", &json!({ "spec": { "contexts": contexts } }));
    host
}

#[test]
fn kt_27_29_30_31_config_maps_are_waited_for_and_their_texts_copied() {
    let host = with_references(false);
    let waits = |said: &str| {
        assert_eq!(reconcile(&host), Outcome::after_secs(30));
        assert_eq!(summary(&host), "Pending; Ready=False/ContextError");
        assert_eq!(host.status(TASK, "ns/t")["conditions"][0]["message"], said);
        assert!(host.jobs().is_empty() && host.find(ConfigMap::KIND, "ns/t-context").is_none());
    };
    waits("ConfigMap m not found");
    // What is binary is no text.
    host.put(ConfigMap::KIND.of::<Value>(), "ns/m", &json!({ "binaryData": { "k": "aGk=" } }));
    waits("key k not found in ConfigMap m");
    host.patch(ConfigMap::KIND.of::<Value>(), "ns/m", &json!({ "data": { "k": "hi" } }));
    waits("ConfigMap d not found");
    host.put(ConfigMap::KIND.of::<Value>(), "ns/d", &json!({}));
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(summary(&host), "Running; Ready=True/JobStarted");
    assert_eq!(host.find(ConfigMap::KIND, "ns/t-context").unwrap().data["a"], "hi");
}

#[test]
fn kt_28_what_is_optional_may_be_missing_but_not_unknown() {
    let host = with_references(true);
    host.fail("get", "v1/ConfigMap", Error::Unavailable(None));
    let failure = host.reconcile(&TaskController, TASK, "ns/t").unwrap_err();
    assert_eq!((failure.reason(), failure.is_permanent()), ("Unavailable", false));
    assert_eq!(host.wrote(), [""; 0], "nothing starts on a guess");

    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(host.wrote(), ["create Job ns/t-job", "merge Task ns/t/status"]);
}

#[test]
fn a_name_that_no_object_can_have_is_missing() {
    let host = host();
    host.fail("get", "kubetask.io/v1alpha1/Agent", Error::Invalid("no such name".to_owned()));
    assert_eq!(reconcile(&host), Outcome::after_secs(30));
    assert_eq!(summary(&host), "Pending; Ready=False/AgentError");

    let host = with_references(false);
    host.fail("get", "v1/ConfigMap", Error::Invalid("no such name".to_owned()));
    assert_eq!(reconcile(&host), Outcome::after_secs(30));
    assert_eq!(summary(&host), "Pending; Ready=False/ContextError");
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
