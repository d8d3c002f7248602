//! The status contract (seed 003), kept once for every plugin: a pure merge of what is, what a guest
//! reports, and what only the host may say. Source: `design.md` section 6.
//!
//! # Guarantees
//! - `observedGeneration` never decreases and never exceeds the generation that was reconciled.
//! - Start and finish times are set at the first move into a running or terminal phase and stay.
//! - A terminal phase is never left.
//! - `updatedAt` moves only together with something else, and never backwards.
//! - A condition's `lastTransitionTime` moves only when its `status` flips.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::manifest::StatusFields;
use crate::time::later;

const OBSERVED: &str = "observedGeneration";
const UPDATED: &str = "updatedAt";
const CONDITIONS: &str = "conditions";

/// The circumstances of a report.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// How the kind spells its phases and times.
    pub fields: &'a StatusFields,
    /// The generation whose spec the reconcile was given.
    pub generation: i64,
    /// Now, in RFC 3339.
    pub now: &'a str,
    /// Top-level fields that the installed CRD is known to drop.
    pub dropped: &'a BTreeSet<String>,
}

/// What is to be done about a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Send this merge patch (the fields under `status` that differ); the result is `expected`.
    Write {
        /// The fields that differ.
        patch: Map<String, Value>,
        /// The whole status afterwards.
        expected: Map<String, Value>,
    },
    /// Nothing but `updatedAt` would change.
    Unchanged,
    /// The phase is terminal and the report names another one.
    Superseded,
}

/// Why a report cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is no JSON object.
    #[error("a status report has to be a JSON object")]
    NoObject,
    /// A condition lacks `type` or `status`, or has another status than True, False, Unknown.
    #[error("condition {0}: needs a type, and True, False or Unknown as status")]
    Condition(usize),
}

/// Merges `report` into the status of `object` (the newest that is known).
///
/// # Errors
/// [`ReportError`] if the report is malformed; the message names the part.
pub fn plan(
    object: &Value,
    report: &Value,
    observed: Option<i64>,
    circumstances: Circumstances<'_>,
) -> Result<Plan, ReportError> {
    let Circumstances { fields, generation, now, dropped } = circumstances;
    let report = report.as_object().ok_or(ReportError::NoObject)?;
    let empty = Map::new();
    let current = object.get("status").and_then(Value::as_object).unwrap_or(&empty);
    let phase = |status: &Map<String, Value>| {
        status.get(&fields.phase).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is = |phases: &[String], phase: &str| phases.iter().any(|p| p == phase);

    let old_phase = phase(current);
    if is(&fields.terminal, &old_phase)
        && report.get(&fields.phase).is_some_and(|new| new.as_str() != Some(&old_phase))
    {
        return Ok(Plan::Superseded);
    }

    let mut merged = current.clone();
    let observed = observed.unwrap_or(generation).min(generation);
    let observed = observed.max(current.get(OBSERVED).and_then(Value::as_i64).unwrap_or(0));
    for (name, value) in report {
        let ours = [OBSERVED, UPDATED, CONDITIONS].contains(&name.as_str());
        if !ours && !fields.started.contains(name) && !fields.finished.contains(name) {
            merge(&mut merged, name, value);
        }
    }
    if let Some(reported) = report.get(CONDITIONS) {
        let current = current.get(CONDITIONS).and_then(Value::as_array);
        let merged_conditions = conditions(current, reported, observed, now)?;
        merged.insert(CONDITIONS.to_owned(), Value::Array(merged_conditions));
    }
    merged.insert(OBSERVED.to_owned(), observed.into());

    let new_phase = phase(&merged);
    stamp(&mut merged, &fields.started, is(&fields.running, &new_phase), now);
    let started = first(&merged, &fields.started).unwrap_or_default();
    let finish = later(now, &started).to_owned();
    stamp(&mut merged, &fields.finished, is(&fields.terminal, &new_phase), &finish);

    merged.retain(|name, _| !dropped.contains(name));
    let patch = difference(current, &merged);
    if patch.is_empty() {
        return Ok(Plan::Unchanged);
    }
    Ok(written(current, merged, patch, circumstances))
}

/// Adds `updatedAt` to a change, unless the CRD drops it.
fn written(
    current: &Map<String, Value>,
    mut merged: Map<String, Value>,
    mut patch: Map<String, Value>,
    circumstances: Circumstances<'_>,
) -> Plan {
    if !circumstances.dropped.contains(UPDATED) {
        let before = current.get(UPDATED).and_then(Value::as_str).unwrap_or_default();
        let updated = Value::from(later(circumstances.now, before));
        merged.insert(UPDATED.to_owned(), updated.clone());
        patch.insert(UPDATED.to_owned(), updated);
    }
    Plan::Write { patch, expected: merged }
}

/// The names of top-level fields of `expected` that `stored` lacks: the installed CRD does not declare
/// them, and the API server pruned them.
#[must_use]
pub fn dropped(expected: &Map<String, Value>, stored: &Value) -> BTreeSet<String> {
    let stored = stored.get("status").and_then(Value::as_object);
    let kept = |name: &String| stored.is_some_and(|status| status.contains_key(name));
    expected.keys().filter(|name| !kept(name)).cloned().collect()
}

/// Sets every name of a time: to the one that is already there, else to `now` if it `applies`.
fn stamp(status: &mut Map<String, Value>, names: &[String], applies: bool, now: &str) {
    let time = match first(status, names) {
        Some(time) => time,
        None if applies => now.to_owned(),
        None => return,
    };
    for name in names {
        status.entry(name.clone()).or_insert_with(|| Value::from(time.clone()));
    }
}

fn first(status: &Map<String, Value>, names: &[String]) -> Option<String> {
    names.iter().find_map(|name| status.get(name)?.as_str().map(str::to_owned))
}

/// JSON merge patch of one field (RFC 7386).
fn merge(target: &mut Map<String, Value>, name: &str, patch: &Value) {
    match patch {
        Value::Null => {
            target.remove(name);
        }
        Value::Object(fields) => {
            let entry = target.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            if let Some(inner) = entry.as_object_mut() {
                for (name, value) in fields {
                    merge(inner, name, value);
                }
            }
        }
        other => {
            target.insert(name.to_owned(), other.clone());
        }
    }
}

/// The merge patch that turns `from` into `to`, apart from `updatedAt`.
fn difference(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (name, value) in to {
        match (from.get(name), value) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(name.clone(), Value::Object(difference(old, new)));
            }
            _ => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    patch.remove(UPDATED);
    patch
}

/// Merges reported conditions into the current ones, by type; the current order is kept.
fn conditions(
    current: Option<&Vec<Value>>,
    reported: &Value,
    observed: i64,
    now: &str,
) -> Result<Vec<Value>, ReportError> {
    let mut merged = current.cloned().unwrap_or_default();
    let reported = reported.as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, condition) in reported.iter().enumerate() {
        let text =
            |name: &str| condition.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
        let (Some(kind), Some(status)) = (text("type"), text("status")) else {
            return Err(ReportError::Condition(index));
        };
        if !["True", "False", "Unknown"].contains(&status) {
            return Err(ReportError::Condition(index));
        }
        let place = merged.iter().position(|c| c.get("type").and_then(Value::as_str) == Some(kind));
        let old = place.and_then(|place| merged.get(place));
        let same_status = |c: &&Value| c.get("status").and_then(Value::as_str) == Some(status);
        let since = old.filter(same_status).and_then(|c| c.get("lastTransitionTime")?.as_str());
        let new = serde_json::json!({
            "type": kind,
            "status": status,
            "reason": text("reason").unwrap_or("Reconciled"),
            "message": condition.get("message").and_then(Value::as_str).unwrap_or_default(),
            "lastTransitionTime": since.unwrap_or(now),
            OBSERVED: observed,
        });
        match place.and_then(|place| merged.get_mut(place)) {
            Some(slot) => *slot = new,
            None => merged.push(new),
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests;
