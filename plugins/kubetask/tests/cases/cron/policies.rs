//! What becomes of a run when the previous one is still active: KT-84 to KT-88.

use kubetask::cron::plan::BATCH;

use crate::cron::fixture::{actions, active, cron_with, plan, run, told};

const LAST: &str = "{lastScheduleTime: '2026-03-02T10:05:00Z', \
                    conditions: [{type: Scheduled, status: 'True', reason: TaskCreated}]}";

#[test]
fn kt_84_allow_runs_both() {
    let cron = cron_with("concurrencyPolicy: Allow", LAST);
    let both = plan(&cron, &[run("10:05:00", "{phase: Running}")], "10:10:00");
    assert_eq!(actions(&both), "create 10:10:00; again in 300 s");
    let start = both.start.unwrap();
    let report = both.report.started(start.at, &run("10:10:00", "{}"), start.missed.as_ref());
    let names: Vec<_> = report.active.unwrap().into_iter().map(|one| one.name.unwrap()).collect();
    assert_eq!(
        names,
        ["10:05:00", "10:10:00"].map(|time| run(time, "{}").metadata.name),
        "the new one too"
    );
}

#[test]
fn kt_86_forbid_skips_the_run_for_good_and_says_so() {
    for policy in ["concurrencyPolicy: Forbid", ""] {
        for phase in ["{}", "{phase: Pending}", "{phase: Running}"] {
            let before = run("10:05:00", phase);
            let skipped = plan(&cron_with(policy, LAST), std::slice::from_ref(&before), "10:10:00");
            assert_eq!(actions(&skipped), "again in 300 s");
            assert_eq!(skipped.report.last_schedule_time.as_deref(), Some("2026-03-02T10:10:00Z"));
            let why = format!(
                "skipped the run of 2026-03-02T10:10:00Z, because Task {} is still active",
                before.metadata.name
            );
            assert_eq!(told(&skipped), format!("Scheduled=False/RunSkipped: {why}"));
            assert_eq!(skipped.note.map(|note| note.message), Some(why));
        }
    }
    let ended = run("10:05:00", "{phase: Completed}");
    let skipped = cron_with("", "{lastScheduleTime: '2026-03-02T10:10:00Z'}");
    assert_eq!(
        actions(&plan(&skipped, std::slice::from_ref(&ended), "10:11:00")),
        "again in 240 s",
        "not made up for"
    );
    assert_eq!(actions(&plan(&skipped, &[ended], "10:15:00")), "create 10:15:00; again in 300 s");
    let going = run("10:05:00", "{phase: Running}");
    let mut going_away = going;
    going_away.metadata.deletion_timestamp = Some("2026-03-02T10:06:00Z".to_owned());
    assert_eq!(
        actions(&plan(&cron_with("", LAST), &[going_away], "10:10:00")),
        "create 10:10:00; again in 300 s"
    );
}

#[test]
fn kt_85_87_replace_deletes_the_active_ones_and_creates_one_at_once() {
    let cron = cron_with("concurrencyPolicy: Replace", LAST);
    let runs = [run("10:05:00", "{phase: Running}"), run("10:00:00", "{phase: Failed}")];
    let replaced = plan(&cron, &runs, "10:31:00");
    assert_eq!(
        actions(&replaced),
        "replace 10:05:00; create 10:30:00; again in 240 s",
        "no churn for those missed"
    );
    assert_eq!(active(&replaced), "", "what is deleted is not active");
}

#[test]
fn kt_87_many_active_tasks_are_replaced_in_steps() {
    let cron = cron_with("concurrencyPolicy: Replace", LAST);
    let many: Vec<_> =
        (0..BATCH + 3).map(|n| run(&format!("09:{n:02}:00"), "{phase: Running}")).collect();
    let first = plan(&cron, &many, "10:10:00");
    assert_eq!((first.replaced.len(), first.start.is_some()), (BATCH, false));
    assert!(actions(&first).ends_with("again in 1 s"));
    assert_eq!(first.report.last_schedule_time, None, "not yet decided");
    let second = plan(&cron, &many[BATCH..], "10:10:01");
    assert_eq!((second.replaced.len(), second.start.is_some()), (3, true));
}

#[test]
fn kt_88_active_names_unfinished_tasks_in_their_order() {
    let cron = cron_with("", LAST);
    let mut runs = [
        run("10:04:00", "{phase: Running}"),
        run("10:01:00", "{phase: Completed}"),
        run("10:02:00", "{}"),
        run("10:03:00", "{phase: Pending}"),
        run("10:00:00", "{phase: Failed}"),
    ];
    for _ in 0..5 {
        runs.rotate_left(1);
        assert_eq!(active(&plan(&cron, &runs, "10:07:00")), "10:02:00 10:03:00 10:04:00");
    }
    let reference = plan(&cron, &runs, "10:07:00").report.active.unwrap().remove(0);
    assert_eq!(
        serde_json::to_value(reference).unwrap(),
        serde_json::json!({
            "apiVersion": "kubetask.io/v1alpha1", "kind": "Task", "namespace": "ns",
            "name": "c-1772445720", "uid": "uid-of-c-1772445720",
        })
    );
    let none = plan(&cron, &[], "10:07:00").report;
    assert_eq!(serde_json::to_value(none).unwrap()["active"], serde_json::Value::Null, "removed");
}

#[test]
fn runs_that_were_missed_are_told_until_one_is_in_time() {
    let status = "{lastScheduleTime: '2026-03-02T10:05:00Z', conditions: [{type: RunsMissed, status: 'True', reason: RunsMissed}]}";
    let cron = cron_with("", status);
    let busy = [run("10:05:00", "{phase: Running}")];
    assert!(told(&plan(&cron, &busy, "10:10:00")).starts_with("RunsMissed=False/InTime: "));
    assert!(
        told(&plan(&cron, &busy, "10:15:00")).starts_with("RunsMissed=True/RunsMissed: 1 run ")
    );
    assert!(!told(&plan(&cron, &busy, "10:07:00")).contains("RunsMissed"), "nothing new");
}
