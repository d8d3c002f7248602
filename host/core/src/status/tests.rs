//! The contract's cases SC-xx, so far as they are pure.

use serde_json::json;

use super::*;

const T0: &str = "2026-05-10T10:00:00Z";
const T1: &str = "2026-05-10T10:01:00Z";
const T2: &str = "2026-05-10T10:02:00Z";

fn fields() -> StatusFields {
    StatusFields {
        phase: "phase".into(),
        started: vec!["startTime".into(), "startedAt".into()],
        finished: vec!["completionTime".into(), "finishedAt".into()],
        running: vec!["Running".into()],
        terminal: vec!["Succeeded".into(), "Failed".into(), "Cancelled".into()],
    }
}

fn decided(
    object: Value,
    generation: i64,
    now: &str,
    observed: Option<i64>,
    report: Value,
) -> Decision {
    let (fields, dropped) = (fields(), Dropped::new());
    let circumstances = Circumstances { fields: &fields, generation, now, dropped: &dropped };
    decide(&object, &report, observed, circumstances).unwrap()
}

fn report(status: Value, generation: i64, now: &str, report: Value) -> Plan {
    decided(json!({ "status": status }), generation, now, None, report).plan
}

fn expected(plan: Plan) -> Value {
    match plan {
        Plan::Write { expected, .. } => Value::Object(expected),
        other => panic!("expected a write, got {other:?}"),
    }
}

fn written(status: Value, generation: i64, now: &str, with: Value) -> Value {
    expected(report(status, generation, now, with))
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "Told", "message": "m"})
}

#[test]
fn sc_01_the_first_status_has_generation_and_time() {
    let status = written(Value::Null, 1, T0, json!({"phase": "Pending"}));
    assert_eq!(status, json!({"phase": "Pending", "observedGeneration": 1, "updatedAt": T0}));
}

#[test]
fn sc_02_an_identical_report_is_not_written() {
    let status = written(Value::Null, 1, T0, json!({"phase": "Running", "jobName": "j"}));
    assert_eq!(report(status, 1, T1, json!({"phase": "Running", "jobName": "j"})), Plan::Unchanged);
}

#[test]
fn sc_02_a_field_of_the_guests_own_that_is_named_updated_at_counts_as_any_other() {
    let status = written(Value::Null, 1, T0, json!({"cache": {"updatedAt": "a"}}));
    assert_eq!(
        report(status.clone(), 1, T1, json!({"cache": {"updatedAt": "a"}})),
        Plan::Unchanged
    );
    let Plan::Write { patch, .. } = report(status, 1, T1, json!({"cache": {"updatedAt": "b"}}))
    else {
        panic!("expected a write")
    };
    assert_eq!(Value::Object(patch), json!({"cache": {"updatedAt": "b"}, "updatedAt": T1}));
}

#[test]
fn sc_03_a_change_moves_updated_at_and_sends_only_what_differs() {
    let status = written(Value::Null, 1, T0, json!({"phase": "Pending", "jobName": "j"}));
    let Plan::Write { patch, .. } =
        report(status, 1, T1, json!({"phase": "Waiting", "jobName": "j"}))
    else {
        panic!("expected a write")
    };
    assert_eq!(Value::Object(patch), json!({"phase": "Waiting", "updatedAt": T1}));
}

#[test]
fn sc_04_the_start_time_is_set_once() {
    let running = written(Value::Null, 1, T0, json!({"phase": "Running"}));
    assert_eq!((&running["startTime"], &running["startedAt"]), (&json!(T0), &json!(T0)));
    let queued = written(running, 1, T1, json!({"phase": "Queued"}));
    let again = written(queued, 1, T2, json!({"phase": "Running"}));
    assert_eq!((&again["startTime"], &again["startedAt"]), (&json!(T0), &json!(T0)));
}

#[test]
fn sc_05_each_terminal_phase_sets_the_finish_time_once() {
    for phase in ["Succeeded", "Failed", "Cancelled"] {
        let running = written(Value::Null, 1, T0, json!({"phase": "Running"}));
        let ended = written(running, 1, T1, json!({ "phase": phase }));
        assert_eq!((&ended["completionTime"], &ended["finishedAt"]), (&json!(T1), &json!(T1)));
        let later = written(ended, 1, T2, json!({"phase": phase, "new": 1}));
        assert_eq!(later["finishedAt"], T1);
    }
}

#[test]
fn sc_06_a_report_that_omits_the_times_keeps_them() {
    let running = written(Value::Null, 1, T0, json!({"phase": "Running"}));
    let done = written(running, 1, T1, json!({"phase": "Succeeded"}));
    assert_eq!((&done["startTime"], &done["completionTime"]), (&json!(T0), &json!(T1)));
}

#[test]
fn sc_07_times_that_a_guest_sends_otherwise_are_kept_and_named() {
    let running = written(Value::Null, 1, T0, json!({"phase": "Running"}));
    let names = |decision: &Decision| decision.overruled.iter().cloned().collect::<Vec<_>>();
    let object = json!({ "status": running });
    for (sent, expected) in [
        (json!({"startTime": T2, "startedAt": null}), vec!["startTime", "startedAt"]),
        (json!({"finishedAt": T2, "updatedAt": T2}), vec!["finishedAt", "updatedAt"]),
        (json!({"observedGeneration": 7}), vec!["observedGeneration"]),
        // What was read may be sent back, and what is not there may be cleared.
        (json!({"startTime": T0, "updatedAt": T0, "observedGeneration": 1}), vec![]),
        (json!({"finishedAt": null}), vec![]),
    ] {
        let decision = decided(object.clone(), 1, T1, None, sent.clone());
        assert_eq!(names(&decision), expected, "{sent}");
        assert_eq!(decision.plan, Plan::Unchanged, "{sent}");
    }
    let first = decided(json!({}), 1, T0, None, json!({"phase": "Running", "startTime": "1999"}));
    assert_eq!(names(&first), ["startTime"]);
    assert_eq!(self::expected(first.plan)["startTime"], T0);
}

#[test]
fn sc_08_an_end_without_a_start_has_a_finish_time_only() {
    let failed = written(Value::Null, 1, T0, json!({"phase": "Failed"}));
    assert_eq!((&failed["completionTime"], &failed["finishedAt"]), (&json!(T0), &json!(T0)));
    assert_eq!((failed.get("startTime"), failed.get("startedAt")), (None, None));
}

#[test]
fn sc_09_work_keeps_the_generation_that_it_was_begun_with() {
    let begun = written(Value::Null, 1, T0, json!({"phase": "Running"}));
    for phase in ["Running", "Succeeded"] {
        let status = written(begun.clone(), 2, T1, json!({"phase": phase, "new": 1}));
        assert_eq!(status["observedGeneration"], 1, "{phase}");
    }
    let ignored =
        json!({"phase": "Running", "conditions": [condition("SpecChangeIgnored", "True")]});
    let status = written(begun.clone(), 2, T1, ignored);
    assert_eq!(status["observedGeneration"], 2, "the edit is told to be ignored");
    let stale = written(status, 3, T2, json!({"new": 1}));
    assert_eq!(stale["observedGeneration"], 2, "what was said of one edit holds for no later one");

    let claim = decided(json!({ "status": begun }), 2, T1, Some(2), json!({"new": 1}));
    assert!(claim.overruled.contains("observedGeneration"), "{claim:?}");
    assert_eq!(expected(claim.plan)["observedGeneration"], 1);
}

#[test]
fn sc_09_a_generation_is_never_claimed_that_was_not_reconciled_and_never_decreases() {
    let object = json!({"status": {"observedGeneration": 2}});
    for (given, observed) in [(None, 3), (Some(2), 2), (Some(1), 2), (Some(9), 3)] {
        let decision = decided(object.clone(), 3, T0, given, json!({"phase": "x"}));
        assert_eq!(expected(decision.plan)["observedGeneration"], observed, "{given:?}");
    }
}

#[test]
fn sc_10_a_failing_condition_speaks_of_the_new_generation() {
    let before = written(Value::Null, 1, T0, json!({"conditions": [condition("Ready", "True")]}));
    let invalid = written(before, 2, T1, json!({"conditions": [condition("Ready", "False")]}));
    assert_eq!(invalid["observedGeneration"], 2);
    assert_eq!(invalid["conditions"][0]["observedGeneration"], 2);
}

#[test]
fn sc_12_what_another_writer_set_meanwhile_is_kept() {
    // The same report, against the cache's state and against the fresh one that a conflict led to.
    let stale = json!({"phase": "Pending"});
    let fresh = json!({"phase": "Running", "startTime": T0, "startedAt": T0, "cost": 3});
    assert_eq!(written(stale, 1, T1, json!({"phase": "Running"}))["startTime"], T1);
    let status = written(fresh, 1, T1, json!({"phase": "Running"}));
    assert_eq!((&status["startTime"], &status["cost"]), (&json!(T0), &json!(3)));
}

#[test]
fn sc_13_a_condition_keeps_its_time_until_its_status_flips() {
    let ready = |status: &str, reason: &str| json!({"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": "m"}]});
    let mut status = written(Value::Null, 1, T0, ready("False", "Waiting"));
    status["conditions"].as_array_mut().unwrap().push(json!({"type": "Other", "status": "True"}));
    let reason_only = written(status.clone(), 2, T1, ready("False", "StillWaiting"));
    assert_eq!(reason_only["conditions"][0]["lastTransitionTime"], T0);
    assert_eq!(reason_only["conditions"][0]["observedGeneration"], 2);
    let flipped = written(status, 2, T1, ready("True", "Done"));
    assert_eq!(flipped["conditions"][0]["lastTransitionTime"], T1);
    assert_eq!(flipped["conditions"][1]["type"], "Other", "others' conditions stay");
}

#[test]
fn sc_13_one_end_at_most_is_true_and_nothing_is_under_way_beside_it() {
    let all = json!([condition("InProgress", "True"), condition("Failed", "True")]);
    let before = json!({"phase": "Running", "conditions": all});
    let end = json!({"phase": "Succeeded", "conditions": [condition("Succeeded", "True")]});
    let status = written(before, 1, T1, end);
    let told: Vec<_> = { status["conditions"].as_array().unwrap().iter() }
        .map(|c| (c["type"].as_str().unwrap(), c["status"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("InProgress", "False"), ("Failed", "False"), ("Succeeded", "True")]);
    assert_eq!(status["conditions"][1]["message"], "condition Succeeded is True");
    assert_eq!(status["conditions"][1]["lastTransitionTime"], T1);
}

#[test]
fn sc_14_a_terminal_phase_absorbs() {
    let end = json!({"phase": "Succeeded", "counts": {"pods": 1}, "conditions": [condition("Succeeded", "True")]});
    let done = written(Value::Null, 1, T0, end.clone());
    for superseded in [
        json!({"phase": "Running"}),
        json!({"phase": "Failed"}),
        json!({"phase": null}),
        json!({"counts": {"pods": 2}}),
        json!({"counts": {"failed": 1}}),
        json!({"counts": null}),
        json!({"conditions": [condition("Failed", "True")]}),
        json!({"conditions": [condition("Succeeded", "False")]}),
    ] {
        assert_eq!(
            report(done.clone(), 1, T1, superseded.clone()),
            Plan::Superseded,
            "{superseded}"
        );
    }
    assert_eq!(report(done.clone(), 1, T1, end), Plan::Unchanged);
    // What may still come.
    let status =
        written(done, 2, T1, json!({"artifacts": 1, "conditions": [condition("Expired", "True")]}));
    assert_eq!((&status["finishedAt"], &status["observedGeneration"]), (&json!(T0), &json!(1)));
    assert_eq!(
        (&status["artifacts"], &status["conditions"][1]["type"]),
        (&json!(1), &json!("Expired"))
    );
    let ignored = json!({"conditions": [condition("SpecChangeIgnored", "True")]});
    assert_eq!(written(status, 2, T2, ignored)["observedGeneration"], 2);
}

#[test]
fn sc_15_fields_that_the_crd_drops_are_left_out_and_cause_no_loop() {
    let fields = fields();
    let object = json!({"status": {"phase": "Running", "startTime": T0}});
    let none = Dropped::new();
    let before = Circumstances { fields: &fields, generation: 1, now: T1, dropped: &none };
    let with = json!({"phase": "Running"});
    let first = decide(&object, &with, None, before).unwrap();
    let lost = dropped(expected(first.plan).as_object().unwrap(), &object);
    let names: Vec<String> = lost.iter().map(|path| path.join(".")).collect();
    assert_eq!(names, ["observedGeneration", "startedAt", "updatedAt"]);
    let after = Circumstances { dropped: &lost, ..before };
    assert_eq!(decide(&object, &with, None, after).unwrap().plan, Plan::Unchanged);
}

#[test]
fn sc_17_a_clock_that_goes_back_puts_no_end_before_its_start() {
    let running = written(Value::Null, 1, T1, json!({"phase": "Running"}));
    let done = written(running, 1, T0, json!({"phase": "Succeeded"}));
    assert_eq!((&done["finishedAt"], &done["updatedAt"]), (&json!(T1), &json!(T1)));

    // The API server's clock is ahead of the host's.
    let created = json!({"metadata": {"creationTimestamp": T1}});
    let with = json!({"phase": "Running", "conditions": [condition("Ready", "True")]});
    let status = expected(decided(created, 1, T0, None, with).plan);
    let condition_time = &status["conditions"][0]["lastTransitionTime"];
    assert_eq!([&status["startedAt"], &status["updatedAt"], condition_time], [T1; 3]);

    let flipped = json!({"conditions": [condition("Ready", "False")]});
    let flipped = written(status, 1, T0, flipped);
    assert_eq!(flipped["conditions"][0]["lastTransitionTime"], T1);
}

#[test]
fn sc_18_names_of_one_time_are_kept_equal() {
    let old = json!({"phase": "Running", "startTime": T0});
    let status = written(old, 1, T1, json!({"phase": "Running"}));
    assert_eq!(status["startedAt"], T0);
    let mut edited = status;
    edited["startedAt"] = json!(T2);
    let restored = written(edited, 1, T1, json!({"phase": "Running"}));
    assert_eq!((&restored["startTime"], &restored["startedAt"]), (&json!(T0), &json!(T0)));
}

#[test]
fn malformed_reports_are_refused() {
    let (fields, dropped) = (fields(), Dropped::new());
    let circumstances =
        Circumstances { fields: &fields, generation: 1, now: T0, dropped: &dropped };
    let error = |report: Value| decide(&json!({}), &report, None, circumstances).unwrap_err();
    assert_eq!(error(json!([])), ReportError::NoObject);
    assert_eq!(error(json!({"conditions": null})), ReportError::NoList);
    assert_eq!(error(json!({"conditions": [{"type": "Ready"}]})), ReportError::Condition(0));
    assert_eq!(
        error(json!({"conditions": [{"type": "Ready", "status": "Maybe"}]})),
        ReportError::Condition(0)
    );
    assert_eq!(
        error(json!({"conditions": [{"type": "joch.dev/Parked", "status": "True"}]})),
        ReportError::Own("joch.dev/Parked".to_owned())
    );
}

#[test]
fn a_condition_of_the_hosts_own_leaves_everything_else_as_it_is() {
    let (fields, dropped) = (fields(), Dropped::new());
    let at = |now| Circumstances { fields: &fields, generation: 7, now, dropped: &dropped };
    let parked = |holds, message| HostCondition {
        kind: "joch.dev/Parked",
        holds,
        reason: if holds { "Trapped" } else { "Recovered" },
        message,
    };
    let before = json!({"phase": "Succeeded", "observedGeneration": 3, "updatedAt": T0,
                        "conditions": [condition("Succeeded", "True")]});
    let object = json!({"status": before});
    let after = expected(set(&object, parked(true, "it broke"), at(T1)));
    assert_eq!(after["observedGeneration"], 3, "the host has no verdict about the spec");
    assert_eq!((&after["phase"], &after["updatedAt"]), (&json!("Succeeded"), &json!(T1)));
    assert_eq!(after["conditions"][0], before["conditions"][0]);
    let own = &after["conditions"][1];
    assert_eq!((&own["status"], &own["observedGeneration"]), (&json!("True"), &json!(7)));

    let object = json!({"status": after});
    assert!(holds(&object, "joch.dev/Parked") && !holds(&object, "Ready"));
    assert_eq!(set(&object, parked(true, "in another place"), at(T2)), Plan::Unchanged);
    let freed = json!({"status": expected(set(&object, parked(false, ""), at(T2)))});
    assert!(!holds(&freed, "joch.dev/Parked"));
    let lost = Dropped::from([vec!["conditions".to_owned()]]);
    let without = Circumstances { dropped: &lost, ..at(T1) };
    assert_eq!(set(&json!({}), parked(true, "m"), without), Plan::Unchanged, "the CRD has none");
}

#[test]
fn sc_13_what_a_report_contradicts_itself_about_settles_all_the_same() {
    let twice = json!([condition("Ready", "True"), condition("Ready", "Unknown")]);
    let ends = json!([condition("Failed", "True"), condition("Succeeded", "True")]);
    for contradiction in [twice, ends] {
        let report = json!({"phase": "Ending", "conditions": contradiction});
        let status = written(Value::Null, 1, T0, report.clone());
        assert_eq!(self::report(status, 1, T1, report.clone()), Plan::Unchanged, "{report}");
    }
}
