//! The grace of what is missing: KT-11, KT-12, KT-29, KT-30.

use joch_plugin::Outcome;
use kubetask::{objects::Task, settings::Settings};

use crate::fixture::{agent, config_maps, none, summary, task, waits, yaml};

const MISSING: &str =
    "Agent \"default\" not found in namespace \"ns\": Agent.kubetask.io \"default\" not found";

fn settings(grace: u32) -> Settings {
    Settings { missing_grace_seconds: grace, ..Settings::default() }
}

/// A Task that has said this since noon, in a status that was written at some time.
fn waiting(reason: &str, message: &str, written: &str) -> Task {
    let mut task = task("{contexts: []}");
    let ready = serde_json::json!({
        "type": "Ready", "status": "False", "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T12:00:00Z",
    });
    let status =
        serde_json::json!({"phase": "Pending", "conditions": [ready], "updatedAt": written});
    task.status = Some(yaml(&status.to_string()));
    task
}

#[test]
fn kt_11_12_a_missing_agent_fails_the_task_when_the_grace_is_over() {
    let pending = format!("Pending; Ready=False/AgentError: {MISSING}");
    let failed = format!("Failed; Ready=False/AgentError: {MISSING}");
    let task = waiting("AgentError", MISSING, "2026-01-01T12:00:00Z");
    for (now, said, outcome) in [
        ("2026-01-01T11:59:00Z", &pending, Outcome::after_secs(30)),
        ("2026-01-01T12:00:00Z", &pending, Outcome::after_secs(30)),
        ("2026-01-01T12:00:10Z", &pending, Outcome::after_secs(20)),
        ("2026-01-01T12:00:29Z", &pending, Outcome::after_secs(1)),
        ("2026-01-01T12:00:30Z", &failed, Outcome::Done),
        ("2026-01-02T12:00:00Z", &failed, Outcome::Done),
    ] {
        let (status, next) = waits(&task, None, &none(), &settings(30), now);
        assert_eq!((&summary(&status), next), (said, outcome), "{now}");
    }
}

#[test]
fn the_grace_begins_when_the_status_says_it_not_when_the_task_was_created() {
    let mut old = task("{contexts: []}");
    old.metadata.creation_timestamp = Some("2025-01-01T00:00:00Z".to_owned());
    let (status, outcome) = waits(&old, None, &none(), &settings(30), "2026-01-01T12:00:00Z");
    assert!(summary(&status).starts_with("Pending"));
    assert_eq!(outcome, Outcome::after_secs(30));
}

#[test]
fn a_status_whose_definition_drops_when_it_was_written_counts_from_its_condition() {
    let mut task = waiting("AgentError", MISSING, "2026-01-01T12:00:00Z");
    task.status.as_mut().unwrap().updated_at = None;
    let (_, outcome) = waits(&task, None, &none(), &settings(30), "2026-01-01T12:00:10Z");
    assert_eq!(outcome, Outcome::after_secs(20));
}

#[test]
fn another_story_or_an_edit_starts_the_clock_anew() {
    let later = "2026-01-01T13:00:00Z";
    for (task, why) in [
        (waiting("TooManyJobs", "the limit is reached", "2026-01-01T12:00:00Z"), "another reason"),
        (
            waiting("AgentError", "Agent \"other\" not found", "2026-01-01T12:00:00Z"),
            "another name",
        ),
        (waiting("AgentError", MISSING, later), "written again meanwhile"),
    ] {
        let (status, outcome) = waits(&task, None, &none(), &settings(30), later);
        assert!(summary(&status).starts_with("Pending"), "{why}");
        assert_eq!(outcome, Outcome::after_secs(30), "{why}");
    }
}

#[test]
fn the_grace_is_the_operators_and_may_be_none() {
    let new = task("{contexts: []}");
    let (status, outcome) = waits(&new, None, &none(), &settings(0), "2026-01-01T12:00:00Z");
    assert!(summary(&status).starts_with("Failed; Ready=False/AgentError"));
    assert_eq!(outcome, Outcome::Done);
    let task = waiting("AgentError", MISSING, "2026-01-01T12:00:00Z");
    let (status, outcome) = waits(&task, None, &none(), &settings(600), "2026-01-01T12:01:00Z");
    assert!(summary(&status).starts_with("Pending"));
    assert_eq!(outcome, Outcome::after_secs(540));
}

#[test]
fn a_status_without_times_waits_on() {
    for status in ["{}", "{conditions: [{type: Ready, status: 'False', reason: AgentError}]}"] {
        let mut task = task("{contexts: []}");
        task.status = Some(yaml(status));
        let (status, outcome) = waits(&task, None, &none(), &settings(30), "2026-01-01T12:00:00Z");
        assert!(summary(&status).starts_with("Pending"));
        assert_eq!(outcome, Outcome::after_secs(30));
    }
}

#[test]
fn kt_29_30_a_missing_config_map_or_key_fails_the_task_when_the_grace_is_over() {
    for (maps, message) in [
        ("{m: null}", "ConfigMap m not found"),
        ("{m: {other: x}}", "key k not found in ConfigMap m"),
    ] {
        let mut task = waiting("ContextError", message, "2026-01-01T12:00:00Z");
        task.spec = yaml(
            "{contexts: [{type: File, file: {filePath: /a, source: {configMapKeyRef: {name: m, key: k}}}}]}",
        );
        let said = |now| {
            let maps = config_maps(maps);
            summary(&waits(&task, Some(&agent("")), &maps, &settings(30), now).0)
        };
        assert_eq!(
            said("2026-01-01T12:00:29Z"),
            format!("Pending; Ready=False/ContextError: {message}")
        );
        assert_eq!(
            said("2026-01-01T12:00:30Z"),
            format!("Failed; Ready=False/ContextError: {message}")
        );
    }
}
