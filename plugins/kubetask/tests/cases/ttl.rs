//! How long finished Tasks stay: KT-70 to KT-76.

use std::time::Duration;

use kubetask::{
    objects::{Config, Task},
    ttl::{Verdict, decide},
};

use crate::fixture::{at, task, yaml};

fn finished(status: &str) -> Task {
    let mut task = task("{contexts: []}");
    task.status = Some(yaml(status));
    task
}

/// What becomes of a Task that finished at noon, so many seconds later.
fn after(config: Option<&str>, seconds: u64) -> Verdict {
    let task = finished("{phase: Completed, completionTime: '2026-01-01T12:00:00Z'}");
    let config: Option<Config> = config.map(yaml);
    let now = at("2026-01-01T12:00:00Z") + Duration::from_secs(seconds);
    decide(&task, config.as_ref(), now)
}

fn keep_for(seconds: u64) -> Verdict {
    Verdict::KeepFor(Duration::from_secs(seconds))
}

#[test]
fn kt_70_76_without_a_time_to_live_it_is_seven_days() {
    for config in [None, Some("{spec: {}}"), Some("{spec: {taskLifecycle: {}}}"), Some("{}")] {
        assert_eq!(after(config, 0), keep_for(604_800), "{config:?}");
        assert_eq!(after(config, 604_799), keep_for(1), "{config:?}");
        assert_eq!(after(config, 604_800), Verdict::Delete, "{config:?}");
    }
    assert_eq!(kubetask::ttl::CONFIG_NAME, "default");
}

#[test]
fn kt_71_a_time_to_live_of_0_keeps_the_task() {
    let config = Some("{spec: {taskLifecycle: {ttlSecondsAfterFinished: 0}}}");
    assert_eq!(after(config, u32::MAX.into()), Verdict::Keep);
}

#[test]
fn kt_72_the_time_runs_from_the_end_of_the_work() {
    let config = Some("{spec: {taskLifecycle: {ttlSecondsAfterFinished: 2}}}");
    assert_eq!(after(config, 0), keep_for(2));
    assert_eq!(after(config, 1), keep_for(1));
    assert_eq!(after(config, 2), Verdict::Delete);
    assert_eq!(after(config, 1000), Verdict::Delete);
    let longest = Some("{spec: {taskLifecycle: {ttlSecondsAfterFinished: 2147483647}}}");
    assert_eq!(after(longest, 0), keep_for(2_147_483_647));
}

#[test]
fn kt_73_a_finished_task_without_a_time_gets_one() {
    for status in ["{phase: Failed}", "{phase: Completed, completionTime: soon}"] {
        assert_eq!(decide(&finished(status), None, at("2026-01-01T12:00:00Z")), Verdict::Undated);
    }
    let keep: Config = yaml("{spec: {taskLifecycle: {ttlSecondsAfterFinished: 0}}}");
    let undated = finished("{phase: Failed}");
    assert_eq!(decide(&undated, Some(&keep), at("2026-01-01T12:00:00Z")), Verdict::Keep);
}

#[test]
fn kt_74_a_negative_time_to_live_deletes_nothing() {
    let config = Some("{spec: {taskLifecycle: {ttlSecondsAfterFinished: -1}}}");
    assert_eq!(after(config, 1_000_000), Verdict::Keep);
}
