//! The contract's cases SC-xx (`kubetask.md` section 2.7), so far as they are pure.

use serde_json::json;

use super::*;

const T0: &str = "2026-05-10T10:00:00Z";
const T1: &str = "2026-05-10T10:01:00Z";

fn fields() -> StatusFields {
    StatusFields {
        phase: "phase".into(),
        started: vec!["startTime".into(), "startedAt".into()],
        finished: vec!["completionTime".into(), "finishedAt".into()],
        running: vec!["Running".into()],
        terminal: vec!["Completed".into(), "Failed".into()],
    }
}

fn report(status: Value, generation: i64, now: &str, report: Value) -> Plan {
    let (fields, dropped) = (fields(), BTreeSet::new());
    let circumstances = Circumstances { fields: &fields, generation, now, dropped: &dropped };
    plan(&json!({ "status": status }), &report, None, circumstances).unwrap()
}

fn written(status: Value, generation: i64, now: &str, with: Value) -> Value {
    match report(status, generation, now, with) {
        Plan::Write { expected, .. } => Value::Object(expected),
        other => panic!("expected a write, got {other:?}"),
    }
}

#[test]
fn sc_1_the_first_status_has_generation_and_time() {
    let status = written(Value::Null, 1, T0, json!({"phase": "Pending"}));
    assert_eq!(status, json!({"phase": "Pending", "observedGeneration": 1, "updatedAt": T0}));
}

#[test]
fn sc_2_an_identical_report_is_not_written() {
    let status = written(Value::Null, 1, T0, json!({"phase": "Running", "jobName": "j"}));
    assert_eq!(report(status, 1, T1, json!({"phase": "Running", "jobName": "j"})), Plan::Unchanged);
}

#[test]
fn sc_3_a_change_moves_updated_at_and_sends_only_what_differs() {
    let status = written(Value::Null, 1, T0, json!({"phase": "Pending", "jobName": "j"}));
    let Plan::Write { patch, .. } =
        report(status, 1, T1, json!({"phase": "Waiting", "jobName": "j"}))
    else {
        panic!("expected a write")
    };
    assert_eq!(Value::Object(patch), json!({"phase": "Waiting", "updatedAt": T1}));
}

#[test]
fn sc_4_and_7_the_start_time_is_set_once_whatever_the_guest_sends() {
    let running = written(Value::Null, 1, T0, json!({"phase": "Running", "startTime": "1999"}));
    assert_eq!((&running["startTime"], &running["startedAt"]), (&json!(T0), &json!(T0)));
    let queued = written(running, 1, T1, json!({"phase": "Queued", "startTime": null}));
    let again = written(queued, 1, T1, json!({"phase": "Running", "startedAt": T1}));
    assert_eq!((&again["startTime"], &again["startedAt"]), (&json!(T0), &json!(T0)));
}

#[test]
fn sc_5_and_8_a_failure_before_the_start_has_a_finish_time_only() {
    let failed = written(Value::Null, 1, T0, json!({"phase": "Failed"}));
    assert_eq!((&failed["completionTime"], &failed["finishedAt"]), (&json!(T0), &json!(T0)));
    assert_eq!(failed.get("startTime"), None);
}

#[test]
fn sc_6_a_report_that_omits_the_times_keeps_them() {
    let running = written(Value::Null, 1, T0, json!({"phase": "Running"}));
    let done = written(running, 1, T1, json!({"phase": "Completed"}));
    assert_eq!((&done["startTime"], &done["completionTime"]), (&json!(T0), &json!(T1)));
}

#[test]
fn sc_9_an_older_generation_is_not_claimed_to_be_newer_and_never_decreases() {
    let (fields, dropped) = (fields(), BTreeSet::new());
    let circumstances =
        Circumstances { fields: &fields, generation: 3, now: T0, dropped: &dropped };
    let object = json!({"status": {"observedGeneration": 2}});
    for (given, observed) in [(None, 3), (Some(2), 2), (Some(1), 2), (Some(9), 3)] {
        let Plan::Write { expected, .. } =
            plan(&object, &json!({"phase": "x"}), given, circumstances).unwrap()
        else {
            panic!("expected a write")
        };
        assert_eq!(expected["observedGeneration"], observed, "{given:?}");
    }
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
fn sc_14_a_terminal_phase_is_never_left() {
    let done = written(Value::Null, 1, T0, json!({"phase": "Completed"}));
    for phase in [json!("Running"), json!("Failed"), Value::Null] {
        assert_eq!(report(done.clone(), 1, T1, json!({ "phase": phase })), Plan::Superseded);
    }
    assert_eq!(report(done, 1, T1, json!({"phase": "Completed"})), Plan::Unchanged);
}

#[test]
fn sc_15_fields_that_the_crd_drops_are_left_out_and_cause_no_loop() {
    let fields = fields();
    let object = json!({"status": {"phase": "Running", "startTime": T0}});
    let none = BTreeSet::new();
    let before = Circumstances { fields: &fields, generation: 1, now: T1, dropped: &none };
    let Plan::Write { expected, .. } =
        plan(&object, &json!({"phase": "Running"}), None, before).unwrap()
    else {
        panic!("expected a write")
    };
    let lost = dropped(&expected, &object);
    assert_eq!(lost.iter().collect::<Vec<_>>(), ["observedGeneration", "startedAt", "updatedAt"]);
    let after = Circumstances { dropped: &lost, ..before };
    assert_eq!(plan(&object, &json!({"phase": "Running"}), None, after).unwrap(), Plan::Unchanged);
}

#[test]
fn sc_17_a_clock_that_goes_back_neither_moves_updated_at_back_nor_finishes_before_the_start() {
    let running = written(Value::Null, 1, T1, json!({"phase": "Running"}));
    let done = written(running, 1, T0, json!({"phase": "Completed"}));
    assert_eq!((&done["completionTime"], &done["updatedAt"]), (&json!(T1), &json!(T1)));
}

#[test]
fn sc_18_names_of_one_time_are_kept_equal() {
    let old = json!({"phase": "Running", "startTime": T0});
    let status = written(old, 1, T1, json!({"phase": "Running"}));
    assert_eq!(status["startedAt"], T0);
}

#[test]
fn malformed_reports_are_refused() {
    let (fields, dropped) = (fields(), BTreeSet::new());
    let circumstances =
        Circumstances { fields: &fields, generation: 1, now: T0, dropped: &dropped };
    let error = |report: Value| plan(&json!({}), &report, None, circumstances).unwrap_err();
    assert_eq!(error(json!([])), ReportError::NoObject);
    assert_eq!(error(json!({"conditions": [{"type": "Ready"}]})), ReportError::Condition(0));
    assert_eq!(
        error(json!({"conditions": [{"type": "Ready", "status": "Maybe"}]})),
        ReportError::Condition(0)
    );
}
