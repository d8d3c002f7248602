//! The status contract (seed 003), kept once for every plugin: a pure merge of what is, what a guest
//! reports, and what only the host may say.
//!
//! # Guarantees
//! - `observedGeneration` never decreases and never exceeds the generation that was reconciled. While
//!   work is under way or has ended (the phase is a running or a terminal one) it stays where it was,
//!   unless the report carries the condition `SpecChangeIgnored`: True.
//! - Start and finish times are set at the first move into a running or terminal phase and stay. No
//!   finish lies before its start, and nothing before the object's creation, whatever the clock says.
//! - A terminal phase absorbs: a report that would change or remove a field that is there, or a
//!   condition among `Succeeded`, `Failed` and `Cancelled`, is superseded as a whole. What may still
//!   come are fields that are missing and other conditions.
//! - At most one of `Succeeded`, `Failed` and `Cancelled` is True; beside it, and in a terminal phase,
//!   `InProgress` and `Blocked` are not True.
//! - `updatedAt` moves only together with something else, and never backwards.
//! - A condition's `lastTransitionTime` moves only when its `status` flips, and never backwards.
//!
//! A report is a verdict about a generation, whatever the reconcile answers afterwards; a reconcile that
//! fails without a report changes nothing here.

mod conditions;
mod pruned;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::manifest::StatusFields;
use crate::time::later;

pub use pruned::{Dropped, dropped};

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
    /// Fields that the installed CRD is known to drop.
    pub dropped: &'a Dropped,
}

/// What comes of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What is to be done.
    pub plan: Plan,
    /// The contract's own fields that the report wanted otherwise; the contract's value stands.
    pub overruled: BTreeSet<String>,
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
    /// The phase is terminal, and the report would change what is settled.
    Superseded,
}

/// Why a report cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is no JSON object.
    #[error("a status report has to be a JSON object")]
    NoObject,
    /// Its `conditions` are no list.
    #[error("the conditions of a status report have to be a list; they are merged by type")]
    NoList,
    /// A condition lacks `type` or `status`, or has another status than True, False, Unknown.
    #[error("condition {0}: needs a type, and True, False or Unknown as status")]
    Condition(usize),
    /// A condition has a type that only the host sets.
    #[error("condition {0}: types that begin with joch.dev/ are set by the host")]
    Own(String),
}

/// Merges `report` into the status of `object` (the newest that is known). `observed` is the generation
/// that the report says it speaks of.
///
/// # Errors
/// [`ReportError`] if the report is malformed; the message names the part.
pub fn decide(
    object: &Value,
    report: &Value,
    observed: Option<i64>,
    circumstances: Circumstances<'_>,
) -> Result<Decision, ReportError> {
    let Circumstances { fields, .. } = circumstances;
    let report = report.as_object().ok_or(ReportError::NoObject)?;
    let reported = conditions::reported(report.get(CONDITIONS))?;
    let empty = Map::new();
    let current = object.get("status").and_then(Value::as_object).unwrap_or(&empty);
    let created = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
    let now = later(circumstances.now, created.unwrap_or_default());

    let generation = generation(current, &reported, observed, circumstances);
    let mut merged = current.clone();
    for (name, value) in report.iter().filter(|(name, _)| !is_contracts(name, fields)) {
        merge(&mut merged, name, value);
    }
    let mut conditions = conditions::Conditions::of(current.get(CONDITIONS));
    conditions.merge(&reported, generation, now);
    if is(&fields.terminal, phase(current, fields))
        && (changes_settled(current, &merged) || conditions.reopens(current.get(CONDITIONS)))
    {
        return Ok(Decision { plan: Plan::Superseded, overruled: BTreeSet::new() });
    }

    let new_phase = phase(&merged, fields).to_owned();
    let ended = is(&fields.terminal, &new_phase);
    conditions.exclude(&reported, &new_phase, ended, generation, now);
    if let Some(conditions) = conditions.into_value() {
        merged.insert(CONDITIONS.to_owned(), conditions);
    }
    merged.insert(OBSERVED.to_owned(), generation.into());
    // What has ended does not start, even if the phase that said so is gone.
    let starts = is(&fields.running, &new_phase) && first(&merged, &fields.finished).is_none();
    stamp(&mut merged, &fields.started, starts, now);
    let started = first(&merged, &fields.started).unwrap_or_default();
    let finish = later(now, &started).to_owned();
    stamp(&mut merged, &fields.finished, ended, &finish);

    let mut overruled = overruled(report, current, &merged, fields);
    if observed.is_some_and(|observed| observed != generation) {
        overruled.insert(OBSERVED.to_owned());
    }
    Ok(Decision { plan: plan(current, merged, &finish, circumstances), overruled })
}

/// A condition that the host itself sets; its type has the prefix `joch.dev/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCondition<'a> {
    /// Its type.
    pub kind: &'a str,
    /// True or False.
    pub holds: bool,
    /// One CamelCase word.
    pub reason: &'a str,
    /// One sentence.
    pub message: &'a str,
}

/// Sets one condition of the host's own on `object`. Everything else stays, `observedGeneration` too: the
/// host has no verdict about the spec. Another message alone is no reason to write.
#[must_use]
pub fn set(object: &Value, condition: HostCondition<'_>, circumstances: Circumstances<'_>) -> Plan {
    let Circumstances { generation, now, .. } = circumstances;
    let empty = Map::new();
    let current = object.get("status").and_then(Value::as_object).unwrap_or(&empty);
    let mut conditions = conditions::Conditions::of(current.get(CONDITIONS));
    if !conditions.set_own(condition, generation, now) {
        return Plan::Unchanged;
    }
    let mut merged = current.clone();
    if let Some(conditions) = conditions.into_value() {
        merged.insert(CONDITIONS.to_owned(), conditions);
    }
    plan(current, merged, now, circumstances)
}

/// Whether `object` has the condition, and it is True.
#[must_use]
pub fn holds(object: &Value, kind: &str) -> bool {
    conditions::Conditions::of(object.pointer("/status/conditions")).is_true(kind)
}

/// Whether a field of the status is the contract's own.
fn is_contracts(name: &str, fields: &StatusFields) -> bool {
    [OBSERVED, UPDATED, CONDITIONS].contains(&name)
        || fields.started.iter().chain(&fields.finished).any(|own| own == name)
}

fn is(phases: &[String], phase: &str) -> bool {
    phases.iter().any(|p| p == phase)
}

fn phase<'a>(status: &'a Map<String, Value>, fields: &StatusFields) -> &'a str {
    status.get(&fields.phase).and_then(Value::as_str).unwrap_or_default()
}

/// The generation that the status speaks of after the report.
fn generation(
    current: &Map<String, Value>,
    reported: &[conditions::Reported<'_>],
    observed: Option<i64>,
    circumstances: Circumstances<'_>,
) -> i64 {
    let Circumstances { fields, generation, .. } = circumstances;
    let before = current.get(OBSERVED).and_then(Value::as_i64).unwrap_or(0);
    let phase = phase(current, fields);
    let begun = is(&fields.running, phase) || is(&fields.terminal, phase);
    let bound = if begun && before > 0 && !conditions::ignores_change(reported) {
        before
    } else {
        generation
    };
    observed.unwrap_or(generation).min(bound).max(before)
}

/// Whether a report changes or removes what a terminal phase has settled: any field but the contract's.
fn changes_settled(current: &Map<String, Value>, merged: &Map<String, Value>) -> bool {
    current.iter().any(|(name, value)| merged.get(name) != Some(value))
}

/// The contract's own fields that a report names with another value than they had and will have.
fn overruled(
    report: &Map<String, Value>,
    current: &Map<String, Value>,
    merged: &Map<String, Value>,
    fields: &StatusFields,
) -> BTreeSet<String> {
    let own = |name: &&String| is_contracts(name, fields) && *name != CONDITIONS;
    let differs = |name: &&String| {
        let value = |status: &Map<String, Value>| status.get(*name).cloned().unwrap_or_default();
        let wanted = value(report);
        wanted != value(current) && wanted != value(merged)
    };
    report.keys().filter(own).filter(differs).cloned().collect()
}

/// What has to be written for the status to become `merged`; `updatedAt` goes along, unless the CRD drops it.
fn plan(
    current: &Map<String, Value>,
    mut merged: Map<String, Value>,
    finish: &str,
    circumstances: Circumstances<'_>,
) -> Plan {
    pruned::remove(&mut merged, circumstances.dropped);
    let mut patch = difference(current, &merged);
    patch.remove(UPDATED);
    if patch.is_empty() {
        return Plan::Unchanged;
    }
    if !circumstances.dropped.contains(&[UPDATED.to_owned()][..]) {
        let before = current.get(UPDATED).and_then(Value::as_str).unwrap_or_default();
        // Not before the start nor the creation, as the finish is not.
        let updated = Value::from(later(finish, before));
        merged.insert(UPDATED.to_owned(), updated.clone());
        patch.insert(UPDATED.to_owned(), updated);
    }
    Plan::Write { patch, expected: merged }
}

/// Sets every name of a time: to the one that is already there, else to `now` if it `applies`.
fn stamp(status: &mut Map<String, Value>, names: &[String], applies: bool, now: &str) {
    let time = match first(status, names) {
        Some(time) => time,
        None if applies => now.to_owned(),
        None => return,
    };
    for name in names {
        status.insert(name.clone(), Value::from(time.clone()));
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

/// The merge patch that turns `from` into `to`.
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
    patch
}

#[cfg(test)]
mod tests;
