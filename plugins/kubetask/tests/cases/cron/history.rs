//! Which finished Tasks are cleared away, and what they leave behind: KT-92 and KT-93.

use kubetask::cron::plan::BATCH;

use crate::cron::fixture::{actions, cron, cron_with, plan, run};

const DONE: &str = "{phase: Completed, completionTime: '2026-03-02T09:30:00Z'}";

fn cleared(spec: &str) -> String {
    let mut runs = vec![
        run("10:00:00", "{phase: Running}"),
        run("09:04:00", DONE),
        run("09:02:00", DONE),
        run("09:05:00", DONE),
        run("09:01:00", DONE),
        run("09:06:00", "{phase: Failed}"),
        run("09:03:00", "{phase: Failed}"),
    ];
    runs.rotate_left(3);
    actions(&plan(&cron(spec), &runs, "10:01:00"))
}

#[test]
fn kt_92_the_oldest_finished_tasks_go() {
    for (spec, expected) in [
        ("", "clear 09:01:00 09:03:00; again in 240 s"),
        (
            "successfulTasksHistoryLimit: 1, failedTasksHistoryLimit: 2",
            "clear 09:01:00 09:02:00 09:04:00; again in 240 s",
        ),
        (
            "successfulTasksHistoryLimit: 0, failedTasksHistoryLimit: 0",
            "clear 09:01:00 09:02:00 09:04:00 09:05:00 09:03:00 09:06:00; again in 240 s",
        ),
        ("successfulTasksHistoryLimit: 9, failedTasksHistoryLimit: 9", "again in 240 s"),
        (
            "successfulTasksHistoryLimit: -1, failedTasksHistoryLimit: -5",
            "clear 09:01:00 09:03:00; again in 240 s",
        ),
        ("suspend: true", "clear 09:01:00 09:03:00; done"),
        ("schedule: nonsense", "clear 09:01:00 09:03:00; done"),
    ] {
        assert_eq!(cleared(spec), expected, "{spec}");
    }
}

#[test]
fn kt_92_many_tasks_are_cleared_away_in_steps() {
    let many: Vec<_> = (0..BATCH + 5).map(|n| run(&format!("09:{n:02}:00"), DONE)).collect();
    let first = plan(&cron("suspend: true"), &many, "10:01:00");
    assert_eq!(first.surplus.len(), BATCH);
    assert!(actions(&first).ends_with("again in 1 s"));
    assert_eq!(plan(&cron("suspend: true"), &many[BATCH..], "10:01:00").surplus.len(), 2);
}

#[test]
fn kt_93_the_last_success_is_remembered_when_its_task_is_gone() {
    let runs = [
        run("09:01:00", "{phase: Completed, completionTime: '2026-03-02T09:40:00Z'}"),
        run("09:02:00", DONE),
        run("09:03:00", "{phase: Failed, completionTime: '2026-03-02T09:50:00Z'}"),
    ];
    let success = |cron| plan(&cron, &runs, "10:01:00").report.last_successful_time;
    assert_eq!(
        success(cron("")).as_deref(),
        Some("2026-03-02T09:40:00Z"),
        "the time, not the order, counts"
    );
    assert_eq!(
        success(cron_with("", "{lastSuccessfulTime: '2026-03-02T09:45:00Z'}")),
        None,
        "a later one stays"
    );
    let earlier = "{lastSuccessfulTime: '2026-03-02T09:20:00Z'}";
    assert_eq!(success(cron_with("", earlier)).as_deref(), Some("2026-03-02T09:40:00Z"));
}
