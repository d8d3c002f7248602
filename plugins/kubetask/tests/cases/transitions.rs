//! From the Job to the status: KT-19, KT-60 to KT-66.

use joch_crds::kubetask::TaskPhase;
use kubetask::{objects::Task, plan};

use crate::fixture::{UID, job_of, reported, running_task, simple_task, summary, yaml};

fn after(task: &Task, job_status: &str) -> String {
    let status = reported(task, Some(&job_of(UID, job_status)));
    assert_eq!(status.job_name.as_deref(), Some("t-job"));
    summary(&status)
}

#[test]
fn kt_01_a_job_that_exists_means_running_also_if_the_status_was_lost() {
    for task in [simple_task(), running_task(1, 1)] {
        assert_eq!(
            after(&task, "{active: 1}"),
            "Running; Ready=True/JobStarted: Job t-job is started"
        );
    }
}

#[test]
fn kt_67_a_job_that_ended_unseen_is_told_to_run_first() {
    for job in ["{succeeded: 1}", "{failed: 1}"] {
        let expected = "Running; Ready=True/JobStarted: Job t-job is started";
        assert_eq!(after(&simple_task(), job), expected);
        assert!(!after(&running_task(1, 1), job).starts_with("Running"));
    }
}

#[test]
fn kt_19_an_edit_after_the_start_is_ignored_and_said_so_once() {
    assert_eq!(
        after(&running_task(3, 1), "{active: 1}"),
        "Running; Ready=True/JobStarted: Job t-job is started; SpecChangeIgnored=True/AlreadyStarted: \
         the spec was changed after the start; the Job goes on with what it began with"
    );
    assert!(!after(&running_task(3, 3), "{active: 1}").contains("SpecChangeIgnored"));
    assert!(after(&running_task(2, 1), "{succeeded: 1}").contains("SpecChangeIgnored"));
}

#[test]
fn kt_60_one_success_is_enough() {
    let expected = "Completed; Succeeded=True/JobSucceeded: Job t-job succeeded";
    assert_eq!(after(&running_task(1, 1), "{succeeded: 1}"), expected);
}

#[test]
fn kt_61_one_failure_is_enough() {
    let expected = "Failed; Failed=True/JobFailed: Job t-job failed";
    assert_eq!(after(&running_task(1, 1), "{failed: 1}"), expected);
}

#[test]
fn kt_61_the_jobs_own_reason_is_handed_on() {
    for kind in ["Failed", "FailureTarget"] {
        let status = format!(
            "{{failed: 1, conditions: [{{type: {kind}, status: 'True', reason: BackoffLimitExceeded, \
             message: Job has reached the specified backoff limit}}]}}"
        );
        assert_eq!(
            after(&running_task(1, 1), &status),
            "Failed; Failed=True/BackoffLimitExceeded: Job has reached the specified backoff limit"
        );
    }
}

#[test]
fn kt_62_success_is_looked_at_first() {
    assert!(after(&running_task(1, 1), "{succeeded: 1, failed: 1}").starts_with("Completed"));
}

#[test]
fn kt_64_a_job_that_was_deleted_fails_the_task_and_is_not_started_again() {
    let expected = "Failed; Failed=True/JobMissing: Job t-job was deleted before it ended";
    assert_eq!(summary(&reported(&running_task(1, 1), None)), expected);
    let foreign = job_of("another-uid", "{}");
    assert_eq!(summary(&reported(&running_task(1, 1), Some(&foreign))), expected);
}

#[test]
fn kt_65_a_job_that_ends_by_its_condition_only_is_noticed() {
    let complete = "{conditions: [{type: Complete, status: 'True'}]}";
    assert!(after(&running_task(1, 1), complete).starts_with("Completed"));
    let failed = "{conditions: [{type: Failed, status: 'True', reason: DeadlineExceeded}]}";
    let expected = "Failed; Failed=True/DeadlineExceeded: Job t-job failed";
    assert_eq!(after(&running_task(1, 1), failed), expected);
    for not_yet in ["{type: FailureTarget, status: 'True'}", "{type: Complete, status: 'False'}"] {
        let status = format!("{{active: 1, conditions: [{not_yet}]}}");
        assert!(after(&running_task(1, 1), &status).starts_with("Running"));
    }
}

#[test]
fn kt_66_a_finished_task_is_told_by_its_phase() {
    for (phase, finished) in [
        (None, false),
        (Some(TaskPhase::Pending), false),
        (Some(TaskPhase::Running), false),
        (Some(TaskPhase::Completed), true),
        (Some(TaskPhase::Failed), true),
    ] {
        let mut task = running_task(1, 1);
        task.status.as_mut().unwrap().phase = phase;
        assert_eq!(plan::is_finished(&task), finished, "{phase:?}");
    }
}

#[test]
fn kt_18_a_task_that_goes_away_is_left_to_the_garbage_collector() {
    let mut task = running_task(1, 1);
    task.metadata.deletion_timestamp = Some("2026-11-21T07:00:00Z".to_owned());
    assert!(plan::is_leaving(&task));
}

#[test]
fn a_status_of_another_version_is_read() {
    let task: Task =
        yaml("{spec: {contexts: []}, status: {phase: Running, new: 1, conditions: []}}");
    assert!(plan::has_started(&task));
}
