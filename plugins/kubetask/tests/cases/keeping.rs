//! Finished Tasks in the controller as a whole: KT-66, KT-70 to KT-75.

use std::time::Duration;

use joch_plugin::{Error, Kind, Outcome, fake::FakeHost};
use kubetask::TaskController;
use serde_json::{Value, json};

use crate::{
    fixture::{NOON, at},
    shell::{TASK, host, reconcile, with_agent},
};

const CONFIG: Kind<Value> = Kind::new("kubetask.io/v1alpha1", "KubeTaskConfig");

/// A host with a Task that finished at noon, at noon.
fn finished() -> FakeHost {
    let host = host();
    let status = json!({ "phase": "Completed", "completionTime": NOON });
    host.patch(TASK, "ns/t", &json!({ "status": status }));
    host.at(at(NOON));
    host
}

fn config(host: &FakeHost, name: &str, seconds: i64) {
    let lifecycle = json!({ "ttlSecondsAfterFinished": seconds });
    host.put(CONFIG, name, &json!({ "spec": { "taskLifecycle": lifecycle } }));
}

fn later(host: &FakeHost, seconds: u64) {
    host.at(at(NOON) + Duration::from_secs(seconds));
}

fn exists(host: &FakeHost) -> bool {
    host.find(TASK, "ns/t").is_some()
}

#[test]
fn kt_70_the_config_named_default_of_the_tasks_namespace_counts() {
    let host = finished();
    config(&host, "ns/other", 1);
    config(&host, "elsewhere/default", 1);
    later(&host, 100);
    assert_eq!(reconcile(&host), Outcome::after_secs(604_700));
    config(&host, "ns/default", 300);
    assert_eq!(reconcile(&host), Outcome::after_secs(200));
}

#[test]
fn kt_71_74_a_time_to_live_of_0_or_less_keeps_the_task_without_a_further_look() {
    for seconds in [0, -1] {
        let host = finished();
        config(&host, "ns/default", seconds);
        later(&host, 10_000_000);
        assert_eq!(reconcile(&host), Outcome::Done);
        assert!(exists(&host));
    }
}

#[test]
fn kt_72_one_look_ahead_and_then_one_deletion() {
    let host = finished();
    config(&host, "ns/default", 2);
    assert_eq!(reconcile(&host), Outcome::after_secs(2));
    assert_eq!(host.wrote(), [""; 0]);
    later(&host, 2);
    assert_eq!(reconcile(&host), Outcome::Done);
    assert_eq!(host.wrote(), ["delete Task ns/t"]);
    assert!(!exists(&host));
}

#[test]
fn kt_73_a_task_that_does_not_say_when_it_finished_is_given_a_time_by_the_host() {
    let host = finished();
    let status = json!({ "phase": "Failed", "completionTime": null, "startTime": NOON });
    host.patch(TASK, "ns/t", &json!({ "status": status })).forget();
    assert_eq!(reconcile(&host), Outcome::Done);
    let before = host.status(TASK, "ns/t");
    // The real host adds the time to this report; nothing else in it may differ, or it is superseded.
    assert_eq!(before, json!({ "phase": "Failed", "startTime": NOON }));
    assert!(exists(&host));
}

#[test]
fn kt_75_a_changed_config_counts_at_the_next_look() {
    let host = finished();
    config(&host, "ns/default", 1000);
    assert_eq!(reconcile(&host), Outcome::after_secs(1000));
    later(&host, 10);
    config(&host, "ns/default", 5);
    assert_eq!(reconcile(&host), Outcome::Done);
    assert!(!exists(&host));
}

#[test]
fn a_config_that_cannot_be_read_deletes_nothing() {
    let host = finished();
    later(&host, 10_000_000);
    host.fail("get", "kubetask.io/v1alpha1/KubeTaskConfig", Error::Unavailable(None));
    let failure = host.reconcile(&TaskController, TASK, "ns/t").unwrap_err();
    assert_eq!(failure.reason(), "Unavailable");
    assert!(exists(&host));
}

#[test]
fn kt_66_a_finished_task_is_left_alone_whatever_its_job_does() {
    let host = finished();
    let before = host.status(TASK, "ns/t");
    reconcile(&host);
    assert_eq!((host.wrote(), host.status(TASK, "ns/t")), (Vec::new(), before));
    assert!(host.jobs().is_empty(), "its Job is gone, and is not started again");
}

#[test]
fn kt_18_a_task_that_goes_away_is_neither_started_nor_deleted_again() {
    for host in [with_agent(), finished()] {
        let metadata = json!({ "metadata": { "finalizers": ["somebody/s"] } });
        host.patch(TASK, "ns/t", &metadata).delete(TASK, "ns/t").forget();
        later(&host, 10_000_000);
        assert_eq!(reconcile(&host), Outcome::Done);
        assert_eq!(host.wrote(), [""; 0]);
    }
}
