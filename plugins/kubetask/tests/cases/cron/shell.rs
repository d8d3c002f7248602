//! The controller as a whole, against a host in memory: the order of its writes, and what a lost one costs.

use joch_plugin::{Error, Kind, Outcome, fake::FakeHost};
use kubetask::cron::CronTaskController;
use serde_json::{Value, json};

use crate::cron::fixture::{at, unix};

const CRON: Kind<Value> = Kind::new("kubetask.io/v1alpha1", "CronTask");
const TASK: Kind<Value> = Kind::new("kubetask.io/v1alpha1", "Task");

fn host(spec: &Value) -> FakeHost {
    let host = FakeHost::new();
    let mut cron = json!({
        "metadata": { "uid": "uid-of-c", "creationTimestamp": "2026-03-02T10:00:30Z" },
        "spec": { "schedule": "*/5 * * * *", "taskTemplate": { "spec": { "contexts": [], "agentRef": "a" } } },
    });
    cron["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    host.put(CRON, "ns/c", &cron);
    host
}

#[track_caller]
fn reconcile(host: &FakeHost, time: &str) -> Outcome {
    host.at(at(time)).reconcile(&CronTaskController, CRON, "ns/c").unwrap()
}

fn task(time: &str) -> String {
    format!("ns/c-{}", unix(time))
}

/// Status and reason of a condition.
fn told(host: &FakeHost, kind: &str) -> String {
    let status = host.status(CRON, "ns/c");
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.map_or("-".to_owned(), |c| {
        format!("{}/{}", c["status"].as_str().unwrap(), c["reason"].as_str().unwrap())
    })
}

#[test]
fn kt_80_81_88_a_run_that_is_due_becomes_an_owned_task_and_the_status_names_it() {
    let host = host(&json!({}));
    assert_eq!(reconcile(&host, "10:05:01"), Outcome::after_secs(299));
    let name = task("10:05:00");
    assert_eq!(
        host.wrote(),
        [format!("create Task {name}"), "merge CronTask ns/c/status".to_owned()]
    );
    let made = host.find(TASK, &name).unwrap();
    assert_eq!(made["metadata"]["labels"], json!({ "kubetask.io/crontask": "c" }));
    let owners = made["metadata"]["ownerReferences"].as_array().unwrap();
    assert_eq!(owners.len(), 1);
    assert_eq!((&owners[0]["kind"], &owners[0]["controller"]), (&json!("CronTask"), &json!(true)));
    assert_eq!(owners[0]["uid"], "uid-of-c");
    assert_eq!(made["spec"], json!({ "contexts": [], "agentRef": "a" }));

    let status = host.status(CRON, "ns/c");
    assert_eq!(status["lastScheduleTime"], "2026-03-02T10:05:00Z");
    assert_eq!(status["nextScheduleTime"], "2026-03-02T10:10:00Z");
    assert_eq!(status["active"][0]["uid"], made["metadata"]["uid"], "the new one is named at once");
    assert_eq!(told(&host, "Scheduled"), "True/TaskCreated");

    host.forget();
    assert_eq!(reconcile(&host, "10:06:00"), Outcome::after_secs(240));
    assert_eq!(host.wrote(), [""; 0], "a CronTask that waits causes no write");
}

#[test]
fn kt_86_93_a_skipped_run_is_an_event_and_a_success_is_remembered() {
    let host = host(&json!({}));
    reconcile(&host, "10:05:00");
    reconcile(&host, "10:10:00");
    assert_eq!(told(&host, "Scheduled"), "False/RunSkipped");
    assert_eq!(host.list(TASK).len(), 1);
    assert_eq!(host.events().len(), 1);
    assert_eq!(host.events()[0].reason, "RunSkipped");
    let done =
        json!({ "status": { "phase": "Completed", "completionTime": "2026-03-02T10:11:00Z" } });
    host.patch(TASK, &task("10:05:00"), &done);
    reconcile(&host, "10:11:01");
    let status = host.status(CRON, "ns/c");
    assert_eq!(status["lastSuccessfulTime"], "2026-03-02T10:11:00Z");
    assert_eq!(status["active"], Value::Null);
    assert_eq!(host.list(TASK).len(), 1, "the skipped run is not made up for");
}

#[test]
fn kt_83_missed_runs_are_an_event_and_a_condition() {
    let host = host(&json!({}));
    reconcile(&host, "10:33:00");
    assert_eq!(host.list(TASK).len(), 1);
    assert_eq!(told(&host, "RunsMissed"), "True/RunsMissed");
    assert_eq!(host.events()[0].reason, "RunsMissed");
    assert!(host.events()[0].message.starts_with("5 runs "), "{:?}", host.events());
}

#[test]
fn kt_87_replace_deletes_before_it_creates() {
    let host = host(&json!({ "concurrencyPolicy": "Replace" }));
    reconcile(&host, "10:05:00");
    host.forget();
    reconcile(&host, "10:10:00");
    let (old, new) = (task("10:05:00"), task("10:10:00"));
    let status = "merge CronTask ns/c/status".to_owned();
    assert_eq!(host.wrote(), [format!("delete Task {old}"), format!("create Task {new}"), status]);
    assert_eq!(host.status(CRON, "ns/c")["active"].as_array().unwrap().len(), 1);
}

#[test]
fn kt_92_history_is_cleared_away_after_the_status_is_written() {
    let host = host(&json!({ "successfulTasksHistoryLimit": 0 }));
    reconcile(&host, "10:05:00");
    let done =
        json!({ "status": { "phase": "Completed", "completionTime": "2026-03-02T10:06:00Z" } });
    host.patch(TASK, &task("10:05:00"), &done);
    host.forget();
    reconcile(&host, "10:06:00");
    let gone = format!("delete Task {}", task("10:05:00"));
    assert_eq!(host.wrote(), ["merge CronTask ns/c/status".to_owned(), gone]);
    assert_eq!(host.status(CRON, "ns/c")["lastSuccessfulTime"], "2026-03-02T10:06:00Z");
}

#[test]
fn kt_94_a_lost_status_write_leads_to_no_second_task() {
    for policy in ["Allow", "Forbid", "Replace"] {
        let host = host(&json!({ "concurrencyPolicy": policy }));
        host.fail("patch", "kubetask.io/v1alpha1/CronTask/status", Error::Unavailable(None));
        let failure =
            host.at(at("10:05:00")).reconcile(&CronTaskController, CRON, "ns/c").unwrap_err();
        assert_eq!(failure.reason(), "Unavailable");
        assert_eq!(host.status(CRON, "ns/c"), Value::Null);
        host.forget();
        reconcile(&host, "10:05:02");
        assert_eq!(host.wrote(), ["merge CronTask ns/c/status"], "{policy}");
        assert_eq!(told(&host, "Scheduled"), "True/TaskCreated");
        assert_eq!(host.status(CRON, "ns/c")["active"].as_array().unwrap().len(), 1);
        assert_eq!(host.list(TASK).len(), 1);
    }
}

#[test]
fn kt_94_a_name_that_somebody_else_took_is_told_and_the_next_run_goes_on() {
    let host = host(&json!({}));
    host.put(TASK, &task("10:05:00"), &json!({ "spec": { "contexts": [] } }));
    let before = host.find(TASK, &task("10:05:00"));
    assert_eq!(reconcile(&host, "10:05:00"), Outcome::after_secs(300));
    assert_eq!(told(&host, "Scheduled"), "False/TaskNameTaken");
    assert_eq!(host.status(CRON, "ns/c")["lastScheduleTime"], Value::Null);
    assert_eq!(host.find(TASK, &task("10:05:00")), before);
    host.forget();
    reconcile(&host, "10:06:00");
    assert_eq!(host.wrote(), [""; 0], "said once");
    reconcile(&host, "10:10:00");
    assert_eq!(told(&host, "Scheduled"), "True/TaskCreated");
}

#[test]
fn a_task_that_is_refused_is_told_and_tried_again_with_the_next_run() {
    let host = host(&json!({}));
    host.fail(
        "create",
        "kubetask.io/v1alpha1/Task",
        Error::Invalid("spec.contexts: too many".to_owned()),
    );
    assert_eq!(reconcile(&host, "10:05:00"), Outcome::after_secs(300));
    assert_eq!(told(&host, "Scheduled"), "False/TaskRefused");
    reconcile(&host, "10:06:00");
    assert_eq!(told(&host, "Scheduled"), "True/TaskCreated");
}

#[test]
fn kt_95_a_crontask_that_goes_away_is_left_to_the_garbage_collector() {
    let host = host(&json!({}));
    host.patch(CRON, "ns/c", &json!({ "metadata": { "finalizers": ["somebody/else"] } }));
    host.delete(CRON, "ns/c");
    assert_eq!(reconcile(&host, "10:05:00"), Outcome::Done);
    assert_eq!(host.wrote(), [""; 0]);
}
