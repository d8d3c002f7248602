//! The calls of a controller, answered from memory.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use joch_fake::{Change, Filter, Operation, Propagation, Selector};
use serde_json::{Map, Value, json};

use super::{
    records::{Event, Line, Measurement, SecretUse},
    world::{Host, MANAGER, World, target, uid},
};
use crate::{
    Gvk, Level, ObjectRef, Severity,
    bindings::joch::{
        kube::{
            events,
            jobs::{StartError, Started},
            reader::Freshness,
            status::Verdict,
            types::Error,
        },
        runtime::secrets::SecretRef,
    },
    host::{Calls, Draft, Measure, Question, Series, Verb},
};

/// What is left of a query's answer.
#[derive(Debug)]
pub(crate) struct Cursor(RefCell<VecDeque<String>>);

impl Cursor {
    pub(crate) fn next(&self, max: u32) -> Result<Vec<String>, Error> {
        let mut left = self.0.borrow_mut();
        let count = left.len().min(max as usize);
        Ok(left.drain(..count).collect())
    }
}

impl Calls for Host {
    fn get(&self, what: &ObjectRef, _: Freshness) -> Result<String, Error> {
        let mut world = self.world();
        world.admit("get", what, None)?;
        world.object(what).map_err(|error| translate(what, error))
    }

    fn run(&self, question: &Question, _: Freshness) -> Result<Cursor, Error> {
        let found = answers(&mut self.world(), question)?;
        Ok(Cursor(RefCell::new(found.iter().map(ToString::to_string).collect())))
    }

    fn count(&self, question: &Question) -> Result<u64, Error> {
        Ok(answers(&mut self.world(), question)?.len() as u64)
    }

    fn write(&self, draft: &Draft, verb: Verb, body: &str) -> Result<String, Error> {
        let mut world = self.world();
        let body: Value = serde_json::from_str(body).map_err(invalid)?;
        let (rbac, operation): (_, fn(Value) -> Operation) = match verb {
            Verb::Create => ("create", Operation::Create),
            Verb::Apply => ("patch", Operation::Apply),
            Verb::Merge => ("patch", Operation::Merge),
            Verb::JsonPatch => ("patch", Operation::JsonPatch),
        };
        let subresource = draft.subresource.as_deref();
        world.admit(rbac, &draft.target, subresource)?;
        let makes = verb == Verb::Apply && subresource.is_none();
        if makes && world.object(&draft.target).is_err() {
            world.admit("create", &draft.target, None)?;
        }
        let body = match (draft.owned, verb) {
            (false, _) => body,
            (true, Verb::Create | Verb::Apply) => owned(&world, body),
            (true, _) => return Err(invalid("owned() goes with create and apply only")),
        };
        send(&mut world, draft, operation(body)).map(|object| object.to_string())
    }

    fn delete(&self, draft: &Draft, propagation: &str) -> Result<(), Error> {
        let mut world = self.world();
        world.admit("delete", &draft.target, draft.subresource.as_deref())?;
        let propagation = match propagation {
            "Orphan" => Propagation::Orphan,
            "Foreground" => Propagation::Foreground,
            _ => Propagation::Background,
        };
        send(&mut world, draft, Operation::Delete(propagation)).map(drop)
    }

    fn report(&self, status: &str, _: Option<i64>) -> Result<Verdict, Error> {
        let mut world = self.world();
        let mut report: Value = serde_json::from_str(status).map_err(invalid)?;
        let Some(fields) = report.as_object_mut() else {
            return Err(invalid("a status report has to be a JSON object"));
        };
        let primary = primary(&world)?;
        world.admit("patch", &primary, Some("status"))?;
        let Ok(current) = world.cluster.get(&target(&primary)) else {
            return Ok(Verdict::Superseded("{}".to_owned()));
        };
        if let Some(reported) = fields.get_mut("conditions") {
            let current = current.pointer("/status/conditions").and_then(Value::as_array);
            *reported = Value::Array(conditions(current.map_or(&[], Vec::as_slice), reported)?);
        }
        let before = current.clone();
        let change = Change {
            subresource: Some("status".to_owned()),
            manager: MANAGER.to_owned(),
            ..Change::new(target(&primary), Operation::Merge(json!({ "status": report })))
        };
        let after = world.cluster.write(change).map_err(|error| translate(&primary, error))?;
        Ok(if after == before { Verdict::Unchanged } else { Verdict::Written })
    }

    fn start(&self, job: &str) -> Result<Started, StartError> {
        start(&mut self.world(), job)
    }

    fn publish(
        &self,
        severity: events::Severity,
        reason: &str,
        message: &str,
    ) -> Result<(), Error> {
        let word = !reason.is_empty() && reason.chars().all(|c| c.is_ascii_alphanumeric());
        if !word || reason.len() > 128 {
            return Err(invalid(format!("event reason {reason:?} is not one CamelCase word")));
        }
        let severity = match severity {
            events::Severity::Normal => Severity::Normal,
            events::Severity::Warning => Severity::Warning,
        };
        let (reason, message) = (reason.to_owned(), message.to_owned());
        self.world().records.events.push(Event { severity, reason, message });
        Ok(())
    }

    fn logs(&self, _: Level) -> bool {
        true
    }

    fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let line = Line { level, message: message.to_owned(), fields: fields.to_vec() };
        self.world().records.lines.push(line);
    }

    fn config(&self) -> String {
        self.world().config.clone()
    }

    fn placeholder(&self, secret: &SecretRef) -> Result<String, Error> {
        let mut world = self.world();
        value_of(&mut world, secret, false)?;
        Ok(format!("joch-secret-{:032x}", world.records.secrets.len()))
    }

    fn reveal(&self, secret: &SecretRef) -> Result<String, Error> {
        value_of(&mut self.world(), secret, true)
    }

    fn measure(&self, series: &Series, value: f64) -> Result<(), Error> {
        let Series { measure, metric, labels } = series.clone();
        if !value.is_finite() || (measure == Measure::Add && value < 0.0) {
            return Err(invalid(format!("{value} is no number for the metric {metric:?}")));
        }
        self.world().records.measurements.push(Measurement { metric, labels, value });
        Ok(())
    }
}

/// The host's word for an error of the SDK; none for the one that arises in the guest.
pub(crate) fn answer(error: crate::Error) -> Option<Error> {
    use crate::Error as Own;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Some(match error {
        Own::Denied(denial) => Error::Denied(*denial),
        Own::NotFound(_) => Error::NotFound,
        Own::AlreadyExists(other) => Error::AlreadyExists(*other),
        Own::Stale => Error::Stale,
        Own::OwnedByOther(fields) => Error::OwnedByOther(fields),
        Own::Invalid(reason) => Error::Invalid(reason),
        Own::NotWatched(kind) => Error::NotWatched(kind),
        Own::OverLimit(limit) => Error::OverLimit(limit),
        Own::Unavailable(time) => Error::Unavailable(time.map(millis)),
        Own::Fenced => Error::Fenced,
        Own::Malformed(_) => return None,
        Own::Other(text) => Error::Other(text),
    })
}

fn answers(world: &mut World, question: &Question) -> Result<Vec<Value>, Error> {
    let Question { kind, namespace, labels, owned_by, fields, metadata_only } = question;
    let about = ObjectRef {
        kind: kind.clone(),
        namespace: namespace.clone(),
        name: String::new(),
        uid: None,
    };
    world.admit("list", &about, None)?;
    let labels = Selector::parse(labels.as_deref().unwrap_or_default());
    let labels = labels.map_err(|error| translate(&about, error))?;
    if let Some(pointer) = fields.iter().find(|pointer| !pointer.starts_with('/')) {
        return Err(invalid(format!("{pointer:?} is no JSON pointer: it has to start with /")));
    }
    let filter = Filter { namespace: namespace.clone(), labels, owned_by: owned_by.clone() };
    let found = world.cluster.list(&kind.group, &kind.kind, &filter);
    Ok(match (metadata_only, fields.as_slice()) {
        (true, _) => found.map(|object| part(object, &[])).collect(),
        (false, []) => found.cloned().collect(),
        (false, fields) => found.map(|object| part(object, fields)).collect(),
    })
}

/// The parts of an object that are asked for; a list is taken whole.
fn part(object: &Value, pointers: &[String]) -> Value {
    let always = ["/apiVersion", "/kind", "/metadata"];
    let mut part = json!({});
    for pointer in always.into_iter().chain(pointers.iter().map(String::as_str)) {
        let Some(value) = object.pointer(pointer) else { continue };
        // From the inside out: a merge puts the nested one beside what is there.
        let nested = pointer.rsplit('/').filter(|name| !name.is_empty()).fold(
            value.clone(),
            |inner, name| {
                let name = name.replace("~1", "/").replace("~0", "~");
                Value::Object(Map::from_iter([(name, inner)]))
            },
        );
        merge(&mut part, &nested);
    }
    part
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn send(world: &mut World, draft: &Draft, operation: Operation) -> Result<Value, Error> {
    let Draft { target: what, subresource, if_version, force, .. } = draft.clone();
    let own = world.primary.as_ref().is_some_and(|primary| {
        (&primary.kind, &primary.namespace, &primary.name)
            == (&what.kind, &what.namespace, &what.name)
    });
    if own && subresource.as_deref() == Some("status") {
        return Err(invalid("the primary's status is written by status.report only"));
    }
    let manager = MANAGER.to_owned();
    let change =
        Change { subresource, if_version, force, manager, ..Change::new(target(&what), operation) };
    world.cluster.write(change).map_err(|error| translate(&what, error))
}

fn start(world: &mut World, job: &str) -> Result<Started, StartError> {
    let mut job: Value =
        serde_json::from_str(job).map_err(|error| StartError::Refused(invalid(error)))?;
    let name = job.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let namespace = world.primary.as_ref().and_then(|primary| primary.namespace.clone());
    if name.is_empty() || namespace.is_none() {
        let error = invalid("a Job needs a name, and a primary in a namespace");
        return Err(StartError::Refused(error));
    }
    let kind = Gvk::new("batch/v1", "Job");
    let what = ObjectRef { kind, namespace, name: name.to_owned(), uid: None };
    world.admit("create", &what, None).map_err(StartError::Refused)?;
    let primary = primary(world).map_err(StartError::Refused)?;
    if let Ok(held) = world.cluster.get(&target(&what)) {
        let found = ObjectRef { uid: Some(uid(held).to_owned()), ..what };
        let meta = held.get("metadata");
        if meta.is_some_and(|meta| meta.get("deletionTimestamp").is_some()) {
            return Err(StartError::NameTerminating(found));
        }
        let owners = meta.and_then(|meta| meta.get("ownerReferences")?.as_array());
        let ours = owners.into_iter().flatten().any(|owner| {
            let is = |field: &str| owner.get(field).cloned().unwrap_or_default();
            is("controller") == json!(true) && is("uid") == json!(primary.uid)
        });
        return if ours {
            Ok(Started::AlreadyRunning(found))
        } else {
            Err(StartError::NameTaken(found))
        };
    }
    let unfinished = world.all(&what.kind).iter().filter(|job| !is_finished(job)).count();
    if let Some(limit) = world.max_jobs.filter(|limit| unfinished >= *limit as usize) {
        return Err(StartError::OverBudget(limit));
    }
    job = owned(world, job);
    let manager = MANAGER.to_owned();
    let change = Change { manager, ..Change::new(target(&what), Operation::Create(job)) };
    let stored = world.cluster.write(change);
    let stored = stored.map_err(|error| StartError::Refused(translate(&what, error)))?;
    let started = ObjectRef { uid: Some(uid(&stored).to_owned()), ..what };
    world.records.jobs.push(stored);
    Ok(Started::Created(started))
}

fn is_finished(job: &Value) -> bool {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let is = |field: &str, text: &str| condition.get(field).is_some_and(|value| value == text);
        is("status", "True") && (is("type", "Complete") || is("type", "Failed"))
    })
}

/// The body, owned by the primary.
fn owned(world: &World, mut body: Value) -> Value {
    if let Some(primary) = &world.primary {
        let ObjectRef { kind, name, uid, .. } = primary;
        let owner = json!({
            "apiVersion": kind.api_version(), "kind": kind.kind, "name": name, "uid": uid,
            "controller": true,
        });
        merge(&mut body, &json!({ "metadata": { "ownerReferences": [owner] } }));
    }
    body
}

/// Merges reported conditions into the current ones, by type.
fn conditions(current: &[Value], reported: &Value) -> Result<Vec<Value>, Error> {
    let mut merged = current.to_vec();
    for (at, condition) in reported.as_array().into_iter().flatten().enumerate() {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("type").is_empty() || !["True", "False", "Unknown"].contains(&text("status")) {
            let rule = "needs a type, and True, False or Unknown as status";
            return Err(invalid(format!("condition {at}: {rule}")));
        }
        let same = |other: &&mut Value| other.get("type") == condition.get("type");
        match merged.iter_mut().find(same) {
            Some(known) => merge(known, condition),
            None => merged.push(condition.clone()),
        }
    }
    Ok(merged)
}

fn value_of(world: &mut World, secret: &SecretRef, revealed: bool) -> Result<String, Error> {
    let SecretRef { namespace, name, key } = secret.clone();
    let kind = Gvk::new("v1", "Secret");
    let what = ObjectRef { kind, namespace: namespace.clone(), name: name.clone(), uid: None };
    world.admit(if revealed { "reveal" } else { "get" }, &what, None)?;
    let namespace = namespace.unwrap_or_default();
    let use_of = SecretUse { secret: format!("{namespace}/{name}"), key: key.clone(), revealed };
    let value = world.secrets.get(&[namespace, name, key]).cloned().ok_or(Error::NotFound)?;
    world.records.secrets.push(use_of);
    Ok(value)
}

fn primary(world: &World) -> Result<ObjectRef, Error> {
    world.primary.clone().ok_or_else(|| Error::Other("no call is under way".to_owned()))
}

fn invalid(reason: impl ToString) -> Error {
    Error::Invalid(reason.to_string())
}

/// The fake cluster's errors in the host's words.
fn translate(what: &ObjectRef, error: joch_fake::Error) -> Error {
    match error {
        joch_fake::Error::NotFound => Error::NotFound,
        joch_fake::Error::AlreadyExists(uid) => {
            Error::AlreadyExists(ObjectRef { uid: Some(uid), ..what.clone() })
        }
        joch_fake::Error::Stale => Error::Stale,
        joch_fake::Error::OwnedByOther(fields) => Error::OwnedByOther(fields),
        joch_fake::Error::Invalid(reason) => Error::Invalid(reason),
        other => Error::Other(other.to_string()),
    }
}
