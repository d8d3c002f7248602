//! What every write of a status has to keep: the guarantees at the top of `core/src/status.rs`.

use std::collections::BTreeSet;

use joch_core::manifest::StatusFields;
use joch_core::status::Dropped;
use serde_json::Value;

const ENDS: [&str; 3] = ["Succeeded", "Failed", "Cancelled"];

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn conditions(status: &Value) -> &[Value] {
    status.get("conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    conditions(status).iter().find(|condition| text(condition, "type") == kind)
}

/// Asserts what has to be true of `after`, which was written over `before`. Times are RFC 3339 in UTC with
/// whole seconds, so that they compare as texts; `lost` is known to be dropped and says nothing.
pub(super) fn hold(
    before: &Value,
    after: &Value,
    created: &str,
    generation: i64,
    fields: &StatusFields,
    lost: &Dropped,
) {
    let kept = |name: &str| !lost.contains(&[name.to_owned()][..]);
    let observed = |status: &Value| status.get("observedGeneration").and_then(Value::as_i64);
    if kept("observedGeneration") {
        let observed = (observed(before).unwrap_or(0), observed(after).expect("a generation"));
        assert!(observed.0 <= observed.1, "observedGeneration decreases: {observed:?}");
        assert!(observed.1 <= generation, "{observed:?} of {generation}");
    }
    let phase = text(after, &fields.phase);
    let ended = fields.terminal.iter().any(|own| own == phase);
    times(before, after, created, fields, lost);
    if fields.terminal.iter().any(|own| own == text(before, &fields.phase)) {
        let own: BTreeSet<&str> = ["conditions", "observedGeneration", "updatedAt"].into();
        let times = || fields.started.iter().chain(&fields.finished);
        for (name, value) in before.as_object().into_iter().flatten() {
            if !own.contains(name.as_str()) && !times().any(|time| time == name) && kept(name) {
                assert_eq!(after.get(name), Some(value), "{name} changes after the end");
            }
        }
    }
    let is_true = |kind: &&str| condition(after, kind).is_some_and(|c| text(c, "status") == "True");
    let ends = ENDS.iter().filter(|end| is_true(end)).count();
    assert!(ends <= 1, "{ends} ends");
    if (ends == 1 || ended) && kept("conditions") {
        assert!(!["InProgress", "Blocked"].iter().any(is_true), "under way beside an end");
    }
    for new in conditions(after) {
        let kind = text(new, "type");
        let old = condition(before, kind);
        let since = |condition: &Value| text(condition, "lastTransitionTime").to_owned();
        let flipped = old.is_none_or(|old| text(old, "status") != text(new, "status"));
        let old = old.map(since).unwrap_or_default();
        assert!(old <= since(new), "the time of {kind} goes back");
        assert!(
            flipped || old.is_empty() || old == since(new),
            "the time of {kind} moves without a flip"
        );
    }
}

fn times(before: &Value, after: &Value, created: &str, fields: &StatusFields, lost: &Dropped) {
    let kept = |name: &str| !lost.contains(&[name.to_owned()][..]);
    for name in fields.started.iter().chain(&fields.finished).filter(|name| kept(name)) {
        let (old, new) = (text(before, name), text(after, name));
        assert!(old.is_empty() || old == new, "{name} moves from {old} to {new}");
        assert!(new.is_empty() || new >= created, "{name} lies before the creation");
    }
    let first = |names: &[String]| {
        let named = names.iter().find_map(|name| Some(text(after, name)).filter(|t| !t.is_empty()));
        named.map(str::to_owned)
    };
    if let (Some(start), Some(end)) = (first(&fields.started), first(&fields.finished)) {
        assert!(start <= end, "the end {end} lies before the start {start}");
    }
    if kept("updatedAt") {
        let updated = text(after, "updatedAt");
        assert!(updated >= text(before, "updatedAt"), "updatedAt goes back");
        assert!(updated >= created, "updated before it was there");
    }
}
