//! What is expected against what is observed: everything expected has to be there; more may be.
//!
//! Lists of objects are complete: one that is not expected is a difference, and order does not matter.
//! Other lists are compared item by item.

use serde::Serialize;
use serde_json::Value;

use super::case::Expect;
use super::observed::{Observed, bare};

/// One difference; both sides as YAML.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// The place, as a path.
    pub(super) at: String,
    pub(super) expected: String,
    pub(super) observed: String,
}

const NOTHING: &str = "(nothing)";

/// All differences, in the order of the case's fields.
pub(super) fn compare(expect: &Expect, observed: &Observed) -> Vec<Difference> {
    let mut found = Vec::new();
    match &expect.outcome {
        Some(outcome) => within(outcome, &observed.outcome, "outcome", &mut found),
        None if observed.failed => {
            found.push(difference("outcome", "(success)", &text(&observed.outcome)));
        }
        None => {}
    }
    if let Some(status) = &expect.status {
        within(status, &observed.status, "status", &mut found);
    }
    for (name, expected, observed) in [
        ("objects", &expect.objects, &observed.objects),
        ("deleted", &expect.deleted, &observed.deleted),
        ("jobs", &expect.jobs, &observed.jobs),
    ] {
        if let Some(expected) = expected {
            objects(name, expected, observed, &mut found);
        }
    }
    if let Some(events) = &expect.events {
        let (expected, observed) = (Value::from(events.clone()), observed.events.clone().into());
        within(&expected, &observed, "events", &mut found);
    }
    let denied = expect.denied.len() == observed.denied.len()
        && expect.denied.iter().zip(&observed.denied).all(|(part, whole)| whole.contains(part));
    if !denied {
        let lines = |list: &[String]| {
            if list.is_empty() { NOTHING.to_owned() } else { list.join("\n") }
        };
        found.push(difference("denied", &lines(&expect.denied), &lines(&observed.denied)));
    }
    for line in &expect.log {
        if !observed.log.iter().any(|logged| logged.contains(line)) {
            found.push(difference("log", line, NOTHING));
        }
    }
    found
}

/// Compares two lists of objects, whatever their order.
fn objects(name: &str, expected: &[Value], observed: &[Value], found: &mut Vec<Difference>) {
    let place = |object| format!("{name}: {}", identity(object, name));
    let is = |object, other| identity(object, name) == identity(other, name);
    for object in expected {
        match observed.iter().find(|other| is(object, *other)) {
            Some(other) => within(object, other, &place(object), found),
            None => found.push(difference(&place(object), &text(object), NOTHING)),
        }
    }
    for object in observed.iter().filter(|object| !expected.iter().any(|other| is(object, other))) {
        found.push(difference(&place(object), NOTHING, &text(&bare(object))));
    }
}

/// `v1/ConfigMap team/x`, of a whole object or of a reference; what is in the list of Jobs need not say
/// that it is one.
fn identity(object: &Value, list: &str) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind = match (text("/apiVersion"), text("/kind")) {
        _ if list == "jobs" => "batch/v1/Job".to_owned(),
        (Some(version), Some(kind)) => format!("{version}/{kind}"),
        (_, kind) => kind.unwrap_or("(no kind)").to_owned(),
    };
    let either =
        |field: &str| text(&format!("/metadata/{field}")).or_else(|| text(&format!("/{field}")));
    let name = either("name").unwrap_or("(no name)");
    match either("namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// Whether all of `expected` is in `observed`; a `null` expects that there is nothing.
fn within(expected: &Value, observed: &Value, at: &str, found: &mut Vec<Difference>) {
    match (expected, observed) {
        (Value::Object(expected), Value::Object(observed)) => {
            for (name, value) in expected {
                let other = observed.get(name).unwrap_or(&Value::Null);
                within(value, other, &format!("{at}.{name}"), found);
            }
        }
        (Value::Array(expected), Value::Array(observed)) if expected.len() == observed.len() => {
            for (index, (value, other)) in expected.iter().zip(observed).enumerate() {
                within(value, other, &format!("{at}[{index}]"), found);
            }
        }
        _ if expected == observed => {}
        _ => found.push(difference(at, &text(expected), &text(observed))),
    }
}

fn difference(at: &str, expected: &str, observed: &str) -> Difference {
    Difference { at: at.to_owned(), expected: expected.to_owned(), observed: observed.to_owned() }
}

/// A value as YAML, which every JSON value is.
fn text(value: &Value) -> String {
    if value.is_null() {
        return NOTHING.to_owned();
    }
    let yaml = serde_norway::to_string(value).unwrap_or_else(|_| value.to_string());
    yaml.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(expected: Value, observed: Value) -> Vec<String> {
        let mut found = Vec::new();
        within(&expected, &observed, "x", &mut found);
        let told = |d: &Difference| format!("{}: {} | {}", d.at, d.expected, d.observed);
        found.iter().map(told).collect()
    }

    #[test]
    fn what_is_expected_has_to_be_there_and_more_may_be() {
        let observed = json!({"a": {"b": 1, "c": [{"d": 2, "e": 3}]}, "f": "g"});
        for (expected, differences) in [
            (json!({}), vec![]),
            (json!({"a": {"c": [{"d": 2}]}}), vec![]),
            (json!({"none": null}), vec![]),
            (json!({"f": "h", "a": {"b": 1}}), vec!["x.f: h | g"]),
            (json!({"a": {"c": [{"e": 4}]}}), vec!["x.a.c[0].e: 4 | 3"]),
            (json!({"a": {"c": []}}), vec!["x.a.c: [] | - d: 2\n  e: 3"]),
            (json!({"f": null}), vec!["x.f: (nothing) | g"]),
            (json!({"new": "n"}), vec!["x.new: n | (nothing)"]),
        ] {
            assert_eq!(found(expected, observed.clone()), differences);
        }
    }

    #[test]
    fn lists_of_objects_are_complete_in_any_order() {
        let map = |name: &str, text: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": text});
        let mut differences = Vec::new();
        let observed = [map("b", "1"), map("a", "2"), map("c", "3")];
        objects(
            "objects",
            &[map("a", "2"), map("b", "9"), map("d", "")],
            &observed,
            &mut differences,
        );
        let places: Vec<&str> = differences.iter().map(|d| d.at.as_str()).collect();
        assert_eq!(
            places,
            ["objects: v1/ConfigMap b.data", "objects: v1/ConfigMap d", "objects: v1/ConfigMap c"]
        );
    }

    #[test]
    fn jobs_and_references_name_themselves_too() {
        let job = json!({"metadata": {"name": "j", "namespace": "n"}});
        assert_eq!(identity(&job, "jobs"), "batch/v1/Job n/j");
        assert_eq!(identity(&json!({"kind": "v1/Pod", "name": "p"}), "deleted"), "v1/Pod p");
    }
}
