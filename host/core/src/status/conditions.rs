//! `metav1.Condition`: merged by type, with times and generations that only the host writes.

use serde_json::{Value, json};

use super::{HostCondition, OBSERVED, ReportError};
use crate::time::later;

/// How work ends: at most one of these is True.
const ENDS: [&str; 3] = ["Succeeded", "Failed", "Cancelled"];
/// What cannot be True of work that has ended.
const UNDER_WAY: [&str; 2] = ["InProgress", "Blocked"];
/// What the types of the host's own conditions begin with.
const OWN: &str = "joch.dev/";
/// Says that edits after the start are ignored.
const IGNORED: &str = "SpecChangeIgnored";

/// A condition as a guest reports it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported<'a> {
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
}

/// Reads the conditions of a report.
pub(super) fn reported(conditions: Option<&Value>) -> Result<Vec<Reported<'_>>, ReportError> {
    let Some(conditions) = conditions else { return Ok(Vec::new()) };
    let conditions = conditions.as_array().ok_or(ReportError::NoList)?;
    let read = |(index, condition)| {
        let (kind, status) = (text(condition, "type"), text(condition, "status"));
        if kind.is_empty() || !["True", "False", "Unknown"].contains(&status) {
            return Err(ReportError::Condition(index));
        }
        if kind.starts_with(OWN) {
            return Err(ReportError::Own(kind.to_owned()));
        }
        let reason = match text(condition, "reason") {
            "" => "Reconciled",
            reason => reason,
        };
        Ok(Reported { kind, status, reason, message: text(condition, "message") })
    };
    conditions.iter().enumerate().map(read).collect()
}

/// Whether a report says that the spec's change is ignored.
pub(super) fn ignores_change(reported: &[Reported<'_>]) -> bool {
    reported.iter().any(|condition| condition.kind == IGNORED && condition.status == "True")
}

/// The conditions of a status; others' stay, in their order. Whether a status flips is judged by what it was
/// in the beginning: a condition may be set twice on the way, by a report that names it twice or one that is
/// contradicted.
#[derive(Debug)]
pub(super) struct Conditions {
    before: Vec<Value>,
    now: Vec<Value>,
}

impl Conditions {
    pub(super) fn of(current: Option<&Value>) -> Self {
        let before = current.and_then(Value::as_array).cloned().unwrap_or_default();
        Self { now: before.clone(), before }
    }

    /// Merges what is reported, by type.
    pub(super) fn merge(&mut self, reported: &[Reported<'_>], generation: i64, now: &str) {
        for condition in reported {
            self.set(condition, generation, now);
        }
    }

    /// Sets a condition of the host's own; false if nothing but the message or the generation differs.
    pub(super) fn set_own(
        &mut self,
        condition: HostCondition<'_>,
        generation: i64,
        now: &str,
    ) -> bool {
        let HostCondition { kind, holds, reason, message } = condition;
        let status = if holds { "True" } else { "False" };
        let same = |old: &Value| text(old, "status") == status && text(old, "reason") == reason;
        if self.find(kind).is_some_and(same) {
            return false;
        }
        self.set(&Reported { kind, status, reason, message }, generation, now);
        true
    }

    /// Whether the end that `before` tells would become another one.
    pub(super) fn reopens(&self, before: Option<&Value>) -> bool {
        let before = Self::of(before);
        let told = |condition: &Value| {
            ["status", "reason", "message"].map(|field| text(condition, field).to_owned())
        };
        let changed = |kind: &&str| {
            before.find(kind).is_some_and(|old| self.find(kind).map(told) != Some(told(old)))
        };
        let second = |kind: &&str| before.find(kind).is_none() && self.is_true(kind);
        let ended = ENDS.iter().any(|kind| before.is_true(kind));
        ENDS.iter().any(changed) || (ended && ENDS.iter().any(second))
    }

    /// Sets to False what contradicts the end that is told: other ends, and work under way. Of several
    /// ends the one that is named like the phase stands, else the first that the report names.
    pub(super) fn exclude(
        &mut self,
        reported: &[Reported<'_>],
        phase: &str,
        ended: bool,
        generation: i64,
        now: &str,
    ) {
        let ends: Vec<&str> = ENDS.into_iter().filter(|kind| self.is_true(kind)).collect();
        let named = ends.iter().find(|kind| **kind == phase);
        let new = || {
            let kinds = reported.iter().filter(|condition| condition.status == "True");
            kinds.map(|condition| condition.kind).find(|kind| ends.contains(kind))
        };
        let stands = named.copied().or_else(new).or_else(|| ends.first().copied());
        let because = match stands {
            Some(end) => format!("condition {end} is True"),
            None if ended => format!("the phase is {phase}"),
            None => return,
        };
        let others = ends.iter().copied().filter(|end| Some(*end) != stands);
        let contradicting: Vec<&str> =
            others.chain(UNDER_WAY).filter(|kind| self.is_true(kind)).collect();
        for kind in contradicting {
            let message = because.as_str();
            let cleared = Reported { kind, status: "False", reason: "Superseded", message };
            self.set(&cleared, generation, now);
        }
    }

    /// The list; none if it is empty.
    pub(super) fn into_value(self) -> Option<Value> {
        (!self.now.is_empty()).then_some(Value::Array(self.now))
    }

    fn set(&mut self, condition: &Reported<'_>, generation: i64, now: &str) {
        let Reported { kind, status, reason, message } = *condition;
        let old = find(&self.before, kind);
        let since = old.map(|old| text(old, "lastTransitionTime")).unwrap_or_default();
        let flipped = old.is_none_or(|old| text(old, "status") != status) || since.is_empty();
        let new = json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": if flipped { later(now, since) } else { since },
            OBSERVED: generation,
        });
        match self.now.iter_mut().find(|condition| text(condition, "type") == kind) {
            Some(slot) => *slot = new,
            None => self.now.push(new),
        }
    }

    fn find(&self, kind: &str) -> Option<&Value> {
        find(&self.now, kind)
    }

    pub(super) fn is_true(&self, kind: &str) -> bool {
        self.find(kind).is_some_and(|condition| text(condition, "status") == "True")
    }
}

fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions.iter().find(|condition| text(condition, "type") == kind)
}

fn text<'a>(condition: &'a Value, field: &str) -> &'a str {
    condition.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(current: Value, report: Value, phase: &str, ended: bool) -> Vec<(String, String)> {
        let mut conditions = Conditions::of(Some(&current));
        let reported = reported(Some(&report)).unwrap();
        conditions.merge(&reported, 1, "2026-05-10T10:00:00Z");
        conditions.exclude(&reported, phase, ended, 1, "2026-05-10T10:00:00Z");
        let list = conditions.into_value().unwrap_or_else(|| json!([]));
        let pair = |c: &Value| (text(c, "type").to_owned(), text(c, "status").to_owned());
        list.as_array().unwrap().iter().map(pair).collect()
    }

    fn all(kinds: &[(&str, &str)]) -> Value {
        kinds.iter().map(|(kind, status)| json!({"type": kind, "status": status})).collect()
    }

    #[test]
    fn of_several_ends_the_phases_or_else_the_reported_one_stands() {
        let table = [
            (all(&[]), all(&[("Failed", "True"), ("Succeeded", "True")]), "Succeeded", "Succeeded"),
            (all(&[]), all(&[("Failed", "True"), ("Succeeded", "True")]), "Done", "Failed"),
            (all(&[("Succeeded", "True")]), all(&[("Failed", "True")]), "Done", "Failed"),
            (all(&[("Cancelled", "True"), ("Failed", "True")]), all(&[]), "Done", "Failed"),
        ];
        for (current, report, phase, stands) in table {
            let conditions = after(current, report, phase, false);
            let ends: Vec<&str> = { conditions.iter() }
                .filter(|(_, status)| status == "True")
                .map(|(kind, _)| kind.as_str())
                .collect();
            assert_eq!(ends, [stands], "{conditions:?}");
        }
    }

    #[test]
    fn work_that_has_ended_is_neither_under_way_nor_blocked() {
        let current = all(&[("InProgress", "True"), ("Blocked", "True"), ("Ready", "True")]);
        let state = |report: Value, ended| after(current.clone(), report, "Done", ended);
        let pair = |kind: &str, status: &str| (kind.to_owned(), status.to_owned());
        assert_eq!(state(all(&[]), false)[0], pair("InProgress", "True"), "it has not ended");
        for conditions in [state(all(&[]), true), state(all(&[("Cancelled", "True")]), false)] {
            let expected =
                [pair("InProgress", "False"), pair("Blocked", "False"), pair("Ready", "True")];
            assert_eq!(conditions[..3], expected);
        }
    }
}
