//! What a call did, in the form that cases expect it.

use joch_core::object::ObjectKey;
use joch_core::outcome::{Failure, Outcome, Problem};
use joch_core::port::Note;
use joch_fake::{Target, Write};
use serde_json::{Map, Value, json};

use super::world::{World, target};

/// Fields of metadata that the API server writes.
const SERVERS: [&str; 4] = ["uid", "resourceVersion", "generation", "creationTimestamp"];
/// Fields of a status and its conditions that the host writes.
const HOSTS: [&str; 3] = ["observedGeneration", "updatedAt", "lastTransitionTime"];

/// What a call did.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) outcome: Value,
    pub(super) failed: bool,
    pub(super) status: Value,
    status_written: bool,
    pub(super) objects: Vec<Value>,
    pub(super) deleted: Vec<Value>,
    pub(super) jobs: Vec<Value>,
    pub(super) events: Vec<Value>,
    pub(super) denied: Vec<String>,
    pub(super) log: Vec<String>,
}

impl Observed {
    pub(super) fn new(
        result: &Result<Outcome, Failure>,
        primary: &ObjectKey,
        world: &World,
        log: Vec<String>,
    ) -> Self {
        let primary = target(primary, None);
        let is_status =
            |write: &Write| write.subresource.is_some() && same(&write.target, &primary);
        let writes = world.cluster.writes();
        let mut touched: Vec<&Target> = Vec::new();
        for write in writes.iter().filter(|write| !is_status(write)) {
            if !touched.iter().any(|known| same(known, &write.target)) {
                touched.push(&write.target);
            }
        }
        let (mut objects, mut jobs, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for target in touched {
            let target = Target { uid: None, ..target.clone() };
            match world.cluster.get(&target) {
                Err(_) => deleted.push(reference(&target)),
                Ok(object) if is_deleting(object) => deleted.push(reference(&target)),
                Ok(job) if target.group == "batch" && target.kind == "Job" => {
                    jobs.push(job.clone())
                }
                Ok(object) => objects.push(object.clone()),
            }
        }
        let status = world.cluster.get(&primary).ok().and_then(|object| object.get("status"));
        Self {
            outcome: outcome(result),
            failed: result.is_err(),
            status: status.cloned().unwrap_or_default(),
            status_written: writes.iter().any(is_status),
            objects,
            deleted,
            jobs,
            events: world.notes.iter().map(event).collect(),
            denied: world.denied.clone(),
            log,
        }
    }

    /// What a case expects after it was blessed: all that the plugin did, without what server and host
    /// add, and without its log.
    pub(super) fn blessed(&self) -> Value {
        let mut expect = Map::new();
        expect.insert("outcome".to_owned(), self.outcome.clone());
        if self.status_written {
            let mut status = self.status.clone();
            strip(&mut status, &HOSTS);
            let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
            conditions.into_iter().flatten().for_each(|condition| strip(condition, &HOSTS));
            expect.insert("status".to_owned(), status);
        }
        let without = |objects: &[Value]| objects.iter().map(bare).collect::<Vec<Value>>();
        expect.insert("objects".to_owned(), without(&self.objects).into());
        let denied = self.denied.iter().map(|text| Value::from(text.as_str())).collect();
        for (name, list) in [
            ("jobs", without(&self.jobs)),
            ("deleted", self.deleted.clone()),
            ("events", self.events.clone()),
            ("denied", denied),
        ] {
            if !list.is_empty() {
                expect.insert(name.to_owned(), list.into());
            }
        }
        Value::Object(expect)
    }
}

fn outcome(result: &Result<Outcome, Failure>) -> Value {
    let problem = |problem: &Problem| {
        let mut told = json!({"reason": problem.reason, "message": problem.message});
        if let (Some(after), Some(fields)) = (problem.retry_after, told.as_object_mut()) {
            fields.insert("retry-after".to_owned(), format!("{after:?}").into());
        }
        told
    };
    match result {
        Ok(Outcome::Done) => "done".into(),
        Ok(Outcome::RequeueAfter(after)) => json!({"requeue-after": format!("{after:?}")}),
        Err(Failure::Transient(told)) => json!({"transient": problem(told)}),
        Err(Failure::Permanent(told)) => json!({"permanent": problem(told)}),
        Err(other) => json!({"stopped": {"by": other.category(), "message": other.to_string()}}),
    }
}

fn event(note: &Note) -> Value {
    let kind = if note.warning { "Warning" } else { "Normal" };
    json!({"type": kind, "reason": note.reason, "message": note.message})
}

/// An object by name, as cases write it.
fn reference(target: &Target) -> Value {
    let kind = format!("{}/{}", target.api_version(), target.kind);
    let mut reference = json!({"kind": kind, "name": target.name});
    if let (Some(namespace), Some(fields)) = (&target.namespace, reference.as_object_mut()) {
        fields.insert("namespace".to_owned(), namespace.clone().into());
    }
    reference
}

/// Whether both name the same object, in whatever version.
fn same(a: &Target, b: &Target) -> bool {
    let key = |t: &Target| (t.group.clone(), t.kind.clone(), t.namespace.clone(), t.name.clone());
    key(a) == key(b)
}

fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// An object without what the API server adds, and without uids, which depend on all that is given.
pub(super) fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata") {
        strip(metadata, &SERVERS);
        let owners = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut);
        owners.into_iter().flatten().for_each(|owner| strip(owner, &["uid"]));
    }
    object
}

fn strip(value: &mut Value, names: &[&str]) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !names.contains(&name.as_str()));
    }
}
