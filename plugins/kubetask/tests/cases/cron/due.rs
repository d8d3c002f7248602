//! What is due, and what is said when nothing is: KT-80 to KT-86, KT-89, KT-90, KT-94, KT-96, KT-97.

use serde_json::json;

use crate::cron::fixture::{actions, cron, cron_with, plan, run, told, unix};

#[test]
fn kt_80_the_task_has_the_name_label_and_annotation_of_its_time_and_what_the_template_says() {
    let cron = cron(
        "taskTemplate: {metadata: {labels: {app: report, kubetask.io/crontask: another}, \
         annotations: {note: kept, kubetask.io/scheduled-at: never}}, spec: {contexts: [], agentRef: a, new: 1}}",
    );
    let start = plan(&cron, &[], "10:05:00").start.unwrap();
    assert_eq!(start.name, format!("c-{}", unix("10:05:00")));
    assert_eq!(
        start.task,
        json!({
            "metadata": {
                "name": start.name,
                "labels": { "app": "report", "kubetask.io/crontask": "c" },
                "annotations": { "note": "kept", "kubetask.io/scheduled-at": "2026-03-02T10:05:00Z" },
            },
            "spec": { "contexts": [], "agentRef": "a", "new": 1 },
        })
    );
}

#[test]
fn kt_82_97_the_first_run_is_after_the_creation_and_is_waited_for_in_one_go() {
    let cron = cron("");
    for (now, expected) in [
        ("10:00:31", "again in 269 s"),
        ("10:04:59.250", "again in 0.75 s"),
        ("10:05:00", "create 10:05:00; again in 300 s"),
        ("10:05:00.900", "create 10:05:00; again in 299.1 s"),
        ("10:09:59.999", "create 10:05:00; again in 0.001 s"),
        // A clock that went back before the creation.
        ("09:00:00", "again in 3900 s"),
    ] {
        assert_eq!(actions(&plan(&cron, &[], now)), expected, "at {now}");
    }
    let first = plan(&cron, &[], "10:00:31");
    assert_eq!(told(&first), "Scheduled=True/ScheduleValid: the schedule is valid");
    assert_eq!(first.report.next_schedule_time.as_deref(), Some("2026-03-02T10:05:00Z"));
    assert_eq!(first.report.last_schedule_time, None);
}

#[test]
fn kt_82_the_next_run_is_after_the_last_schedule_time() {
    let cron = cron_with(
        "",
        "{lastScheduleTime: '2026-03-02T10:05:00Z', conditions: [{type: Scheduled, status: 'True', reason: TaskCreated}]}",
    );
    let quiet = plan(&cron, &[], "10:07:00");
    assert_eq!((actions(&quiet).as_str(), told(&quiet).as_str()), ("again in 180 s", ""));
    assert_eq!(quiet.report.last_schedule_time, None, "nothing new to tell");
    assert_eq!(actions(&plan(&cron, &[], "10:10:01")), "create 10:10:00; again in 299 s");
}

#[test]
fn kt_82_a_clock_that_goes_back_repeats_nothing() {
    let cron = cron_with("", "{lastScheduleTime: '2026-03-02T10:10:00Z'}");
    let back = plan(&cron, &[], "10:09:58");
    assert_eq!(actions(&back), "again in 302 s", "10:10 was decided upon");
    assert_eq!(back.report.next_schedule_time.as_deref(), Some("2026-03-02T10:15:00Z"));
    assert_eq!(actions(&plan(&cron, &[], "10:10:30")), "again in 270 s");

    // A time that is far ahead was never right: it does not stop the schedule, and what exists counts.
    let cron = cron_with("", "{lastScheduleTime: '2027-01-01T00:00:00Z'}");
    assert_eq!(actions(&plan(&cron, &[], "10:05:02")), "create 10:05:00; again in 298 s");
    let exists = plan(&cron, &[run("10:05:00", "{}")], "10:05:03");
    assert_eq!(actions(&exists), "again in 297 s");
    assert_eq!(exists.report.last_schedule_time.as_deref(), Some("2026-03-02T10:05:00Z"));
}

#[test]
fn kt_83_84_of_several_missed_runs_only_the_last_is_created_and_the_others_are_counted() {
    let cron = cron_with("concurrencyPolicy: Allow", "{lastScheduleTime: '2026-03-02T10:05:00Z'}");
    for (now, missed) in [
        ("10:12:00", None),
        ("10:16:00", Some("1 run ")),
        ("10:33:00", Some("4 runs ")),
        ("23:59:00", Some("100 or more runs ")),
    ] {
        let start = plan(&cron, &[], now).start.unwrap();
        assert!(unix(now) - start.at < 300, "the last before {now}");
        let said = start.missed.map(|note| note.message);
        assert_eq!(said.is_some(), missed.is_some(), "{said:?}");
        assert!(said.unwrap_or_default().starts_with(missed.unwrap_or_default()), "at {now}");
    }
    let start = plan(&cron, &[], "10:16:00").start.unwrap();
    assert_eq!(
        start.missed.unwrap().message,
        "1 run between 2026-03-02T10:05:00Z and 2026-03-02T10:15:00Z did not start: of those missed, only the last does"
    );
}

#[test]
fn a_run_that_is_too_late_is_missed_as_well() {
    let spec = "startingDeadlineSeconds: 60";
    let cron = cron_with(spec, "{lastScheduleTime: '2026-03-02T10:05:00Z'}");
    assert_eq!(actions(&plan(&cron, &[], "10:11:00")), "create 10:10:00; again in 240 s");
    let late = plan(&cron, &[], "10:16:01");
    assert_eq!(actions(&late), "again in 239 s");
    assert_eq!(
        late.report.last_schedule_time.as_deref(),
        Some("2026-03-02T10:15:00Z"),
        "decided for good"
    );
    assert_eq!(
        told(&late),
        "RunsMissed=True/RunsMissed: 1 run between 2026-03-02T10:05:00Z and 2026-03-02T10:15:00Z did not start: \
         of those missed, only the last does; \
         Scheduled=False/DeadlineMissed: the run of 2026-03-02T10:15:00Z could not start in time"
    );
    assert_eq!(late.note.unwrap().reason, "DeadlineMissed");
}

#[test]
fn kt_89_while_suspended_nothing_is_decided_and_nothing_is_waited_for() {
    let status = "{lastScheduleTime: '2026-03-02T10:05:00Z', conditions: [{type: Scheduled, status: 'True', reason: TaskCreated}]}";
    let suspended = plan(
        &cron_with("suspend: true", status),
        &[run("10:05:00", "{phase: Running}")],
        "10:33:00",
    );
    assert_eq!((actions(&suspended).as_str(), told(&suspended).as_str()), ("done", ""));
    assert_eq!(suspended.report.next_schedule_time, None);
    assert_eq!(suspended.report.active.as_ref().map(Vec::len), Some(1), "still followed");
    assert_eq!(
        serde_json::to_value(&suspended.report).unwrap()["nextScheduleTime"],
        json!(null),
        "removed"
    );

    let resumed = plan(&cron_with("suspend: false", status), &[], "10:33:00");
    assert_eq!(actions(&resumed), "create 10:30:00; again in 120 s");
}

#[test]
fn kt_90_an_invalid_schedule_is_told_with_the_parsers_reason_and_not_tried_again() {
    for (spec, why) in [
        ("schedule: every day", "expected exactly 5 fields, found 2: [every day]"),
        ("schedule: ''", "empty spec string"),
        ("schedule: 61 * * * *", "end of range (61) above maximum (59): 61"),
        ("timeZone: Mars/Olympus", "unknown time zone Mars/Olympus"),
        ("schedule: TZ=Mars 0 0 * * *", "provided bad location Mars: unknown time zone Mars"),
        (
            "schedule: TZ=UTC 0 0 * * *, timeZone: UTC",
            "timeZone and a schedule with TZ= exclude each other",
        ),
    ] {
        let invalid = plan(&cron(spec), &[run("10:05:00", "{}")], "10:33:00");
        assert_eq!(actions(&invalid), "done", "{spec}");
        assert_eq!(
            told(&invalid),
            format!("Scheduled=False/InvalidSchedule: Invalid cron schedule: {why}")
        );
        assert_eq!(invalid.report.active.as_ref().map(Vec::len), Some(1), "still followed");
    }
    let long = format!("schedule: '{}'", "é".repeat(3000));
    assert!(told(&plan(&cron(&long), &[], "10:33:00")).len() < 1100, "a message is bounded");
}

#[test]
fn kt_90_a_schedule_that_is_mended_says_so() {
    let status = "{conditions: [{type: Scheduled, status: 'False', reason: InvalidSchedule}]}";
    let mended = plan(&cron_with("", status), &[], "10:03:00");
    assert_eq!(told(&mended), "Scheduled=True/ScheduleValid: the schedule is valid");
    let status = "{conditions: [{type: Scheduled, status: 'False', reason: RunSkipped}]}";
    assert_eq!(
        told(&plan(&cron_with("", status), &[], "10:03:00")),
        "",
        "that still is what happened last"
    );
}

#[test]
fn a_schedule_that_is_never_due_is_told() {
    let never = plan(&cron("schedule: 0 0 30 2 *"), &[], "10:33:00");
    assert_eq!(actions(&never), "done");
    assert_eq!(
        told(&never),
        "Scheduled=False/NeverDue: the schedule \"0 0 30 2 *\" has no time within five years"
    );
}

#[test]
fn kt_91_every_so_often_is_counted_from_the_last_run_not_from_now() {
    let every = cron("schedule: '@every 7m'");
    assert_eq!(
        actions(&plan(&every, &[], "10:03:00")),
        "again in 270 s",
        "seven minutes after the creation"
    );
    assert_eq!(actions(&plan(&every, &[], "10:16:00")), "create 10:14:30; again in 330 s");
    let told = cron_with("schedule: '@every 7m'", "{lastScheduleTime: '2026-03-02T10:14:30Z'}");
    assert_eq!(actions(&plan(&told, &[], "10:16:00")), "again in 330 s");
}

#[test]
fn kt_91_the_time_zone_of_the_spec_counts() {
    let berlin = cron("schedule: 5 11 * * *, timeZone: Europe/Berlin");
    assert_eq!(actions(&plan(&berlin, &[], "10:05:00")), "create 10:05:00; again in 86400 s");
    assert_eq!(
        actions(&plan(&cron("schedule: 5 11 * * *"), &[], "10:05:00")),
        "again in 3600 s",
        "UTC"
    );
}

#[test]
fn kt_94_a_task_whose_status_was_lost_counts_as_created() {
    for (phase, active) in [("Running", 1), ("Completed", 0)] {
        let run = run("10:10:00", &format!("{{phase: {phase}}}"));
        let cron =
            cron_with("concurrencyPolicy: Replace", "{lastScheduleTime: '2026-03-02T10:05:00Z'}");
        let found = plan(&cron, std::slice::from_ref(&run), "10:11:00");
        assert_eq!(actions(&found), "again in 240 s", "neither created again nor replaced");
        assert_eq!(found.report.last_schedule_time.as_deref(), Some("2026-03-02T10:10:00Z"));
        assert_eq!(
            told(&found),
            format!("Scheduled=True/TaskCreated: Created Task {}", run.metadata.name)
        );
        assert_eq!(found.report.active.map_or(0, |list| list.len()), active);
    }
}

#[test]
fn kt_94_a_task_whose_status_was_lost_was_not_missed() {
    let cron = cron_with("concurrencyPolicy: Allow", "{lastScheduleTime: '2026-03-02T10:05:00Z'}");
    let start = plan(&cron, &[run("10:10:00", "{phase: Running}")], "10:16:00").start.unwrap();
    assert_eq!((start.at, start.missed), (unix("10:15:00"), None));

    let suspended = cron_with("suspend: true", "{lastScheduleTime: '2026-03-02T10:05:00Z'}");
    let found = plan(&suspended, &[run("10:10:00", "{}")], "10:11:00");
    assert_eq!(found.report.last_schedule_time.as_deref(), Some("2026-03-02T10:10:00Z"));
}

#[test]
fn kt_94_what_a_lost_status_told_of_missed_runs_is_told_again() {
    let cron = cron_with("concurrencyPolicy: Allow", "{lastScheduleTime: '2026-03-02T10:00:00Z'}");
    let lost = plan(&cron, &[run("10:10:00", "{phase: Running}")], "10:11:00");
    assert!(told(&lost).contains("RunsMissed=True/RunsMissed: 1 run between"), "{}", told(&lost));
    assert_eq!(lost.note.map(|note| note.reason), Some("RunsMissed"));
    // Not of the run that is due now, before which none was missed.
    let due = plan(&cron, &[run("10:10:00", "{phase: Running}")], "10:16:00");
    let start = due.start.unwrap();
    let report = due.report.started(start.at, &run("10:15:00", "{}"), start.missed.as_ref());
    let missed = report.conditions.iter().find(|condition| condition.kind == "RunsMissed");
    assert_eq!(missed.map(|condition| condition.reason.as_str()), Some("InTime"));
}

#[test]
fn kt_96_a_name_that_is_too_long_for_the_jobs_is_told() {
    let mut cron = cron("");
    for (length, expected) in [(48, "create"), (49, "done")] {
        cron.metadata.name = "c".repeat(length);
        let plan = plan(&cron, &[], "10:05:00");
        assert_eq!(plan.start.is_some(), expected == "create", "{length}");
        assert_eq!(told(&plan).contains("InvalidName"), expected == "done", "{length}");
    }
    assert_eq!(
        told(&plan(&cron, &[], "10:05:00")),
        "Scheduled=False/InvalidName: the name of a CronTask has at most 48 characters, because its Jobs are named \
         <crontask>-<unix time>-job"
    );
}
