//! The status contract over generated histories: reports, edits, other writers, clocks that go back, and an API
//! server that merges patches (RFC 7386) and prunes what its schema does not have.

use joch_core::manifest::StatusFields;
use joch_core::status::{Circumstances, Dropped, Plan, decide, dropped};
use joch_core::time::rfc3339;
use joch_fuzz::Target;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::KEPT;

mod promises;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct History {
    /// Paths that the schema does not have, `*` for each item of a list.
    unknown: Vec<String>,
    created: u64,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Step {
    /// Edits of the spec before it.
    edits: i64,
    /// What another writer sets before it.
    foreign: Option<(String, Value)>,
    /// The clock, in seconds since 1970; it may be behind.
    clock: u64,
    observed: Option<i64>,
    report: Value,
}

fn fields() -> StatusFields {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    StatusFields {
        phase: "phase".to_owned(),
        started: names(&["startTime", "startedAt"]),
        finished: names(&["completionTime", "finishedAt"]),
        running: names(&["Running"]),
        terminal: names(&["Succeeded", "Failed"]),
    }
}

/// Takes what the schema does not have out of a value.
fn prune(value: &mut Value, path: &[&str]) {
    match (value, path) {
        (Value::Object(fields), [name]) => drop(fields.remove(*name)),
        (Value::Object(fields), [name, rest @ ..]) => {
            if let Some(value) = fields.get_mut(*name) {
                prune(value, rest);
            }
        }
        (Value::Array(items), ["*", rest @ ..]) => {
            items.iter_mut().for_each(|item| prune(item, rest))
        }
        _ => {}
    }
}

fn is_well_formed(report: &Value) -> bool {
    let condition = |condition: &Value| {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        !text("type").is_empty()
            && !text("type").starts_with("joch.dev/")
            && ["True", "False", "Unknown"].contains(&text("status"))
    };
    report.is_object()
        && report
            .get("conditions")
            .is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(condition)))
}

fn keeps_the_contract(history: &History) {
    let fields = fields();
    let created = rfc3339(history.created * 1000);
    let mut object = json!({"metadata": {"creationTimestamp": created}, "status": {}});
    let (mut generation, mut known) = (1, Dropped::new());
    // The API server prunes whatever anybody writes.
    let admit = |object: &mut Value| {
        for path in &history.unknown {
            prune(&mut object["status"], &path.split('.').collect::<Vec<_>>());
        }
    };
    for step in &history.steps {
        generation += step.edits;
        if let Some((name, value)) = &step.foreign {
            object["status"][name] = value.clone();
            admit(&mut object);
        }
        let decide = |object: &Value, known: &Dropped, later: u64| {
            let now = rfc3339((step.clock + later) * 1000);
            let circumstances =
                Circumstances { fields: &fields, generation, now: &now, dropped: known };
            decide(object, &step.report, step.observed, circumstances)
        };
        let decided = decide(&object, &known, 0).map(|decision| decision.plan);
        assert_eq!(decided.is_ok(), is_well_formed(&step.report), "{}: {decided:?}", step.report);
        let Ok(mut plan) = decided else { continue };
        // Once it is said and written, it is settled (G11); a phase that leaves running frees the generation,
        // which then follows.
        let mut writes = if is_running(&object) { 2 } else { 1 };
        while let Plan::Write { patch, expected } = plan {
            assert!(writes > 0, "said again, it is written again: {patch:?}");
            writes -= 1;
            let before = object["status"].clone();
            json_patch::merge(&mut object["status"], &Value::Object(patch));
            assert_eq!(
                object["status"],
                Value::Object(expected.clone()),
                "the patch leads elsewhere"
            );
            promises::hold(&before, &object["status"], &created, generation, &fields, &known);
            admit(&mut object);
            known.extend(dropped(&expected, &object));
            plan = decide(&object, &known, 60).expect("the same report").plan;
        }
    }
}

fn is_running(object: &Value) -> bool {
    object.pointer("/status/phase") == Some(&json!("Running"))
}

fn leaf() -> impl Strategy<Value = Value> {
    select(vec![json!(null), json!(0), json!(1), json!("x"), json!(true), json!({}), json!([])])
}

/// A small document; most of its names occur in others too.
fn document() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 12, 3, |inner| {
        let name = select(&["a", "b", "c", "*", ""][..]).prop_map(str::to_owned);
        prop_oneof![
            btree_map(name, inner.clone(), 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
            vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

fn condition() -> impl Strategy<Value = Value> {
    let kinds =
        ["Succeeded", "Failed", "Cancelled", "InProgress", "Blocked", "Ready", "SpecChangeIgnored"];
    let status = prop_oneof![20 => select(&["True", "False", "Unknown"][..]), 1 => Just("Maybe")];
    let kind =
        prop_oneof![40 => select(kinds.to_vec()), 1 => Just("joch.dev/Parked"), 1 => Just("")];
    (kind, status, of(select(&["A", "B", ""][..])), of(Just("m"))).prop_map(
        |(kind, status, reason, message)| {
            let mut condition = json!({"type": kind, "status": status});
            for (name, text) in [("reason", reason), ("message", message)] {
                if let Some(text) = text {
                    condition[name] = json!(text);
                }
            }
            condition
        },
    )
}

fn report() -> impl Strategy<Value = Value> {
    let phase =
        select(&["Pending", "Running", "Running", "Succeeded", "Failed"][..]).prop_map(Value::from);
    let phase = prop_oneof![12 => phase, 1 => leaf()];
    let own = select(
        &[
            "startTime",
            "startedAt",
            "completionTime",
            "finishedAt",
            "updatedAt",
            "observedGeneration",
        ][..],
    );
    let claim = prop_oneof![Just(Value::Null), Just(json!("1999-01-01T00:00:00Z")), Just(json!(7))];
    let conditions = prop_oneof![
        20 => vec(condition(), 0..4).prop_map(Value::Array),
        1 => leaf(),
    ];
    let parts = (of(phase), of((own, claim)), of(conditions), of(document()), of(document()));
    let whole = parts.prop_map(|(phase, claim, conditions, data, list)| {
        let mut report = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                report.insert(name.to_owned(), value);
            }
        };
        put("phase", phase);
        put("conditions", conditions);
        put("data", data);
        put("list", list);
        if let Some((name, value)) = claim {
            put(name, Some(value));
        }
        Value::Object(report)
    });
    prop_oneof![40 => whole, 1 => leaf()]
}

fn step() -> impl Strategy<Value = Step> {
    let foreign = of((select(&["data", "list", "cost"][..]).prop_map(str::to_owned), document()));
    let observed = prop_oneof![3 => Just(None), 1 => (0..4_i64).prop_map(Some), 1 => any::<i64>().prop_map(Some)];
    (0..2_i64, foreign, 0..100_u64, observed, report()).prop_map(
        |(edits, foreign, clock, observed, report)| Step {
            edits,
            foreign,
            clock,
            observed,
            report,
        },
    )
}

fn history() -> impl Strategy<Value = History> {
    let unknown = [
        "startedAt",
        "updatedAt",
        "observedGeneration",
        "conditions",
        "data",
        "data.a",
        "data.b.a",
        "data.*.a",
        "list.*.a",
        "list.*.b.a",
        "conditions.*.observedGeneration",
        "conditions.*.reason",
        "phase",
    ];
    let unknown = vec(select(unknown.to_vec()).prop_map(str::to_owned), 0..3);
    (unknown, 0..100_u64, vec(step(), 1..6)).prop_map(|(unknown, created, steps)| History {
        unknown,
        created,
        steps,
    })
}

#[test]
fn every_history_of_reports_keeps_the_contract_and_settles() {
    Target { name: "status", kept: KEPT, cases: 8000 }.hold(&history(), keeps_the_contract);
}
