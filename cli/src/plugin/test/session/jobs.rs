//! Starting Jobs: checked by `joch-core`, owned, never adopted from somebody else.

use joch_core::grant::Verb;
use joch_core::job::{self, Refusal};
use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::{KubeError, StartError, Started};
use joch_fake::{Change, Filter, Operation};
use serde_json::{Value, json};

use super::super::world::{Setting, World, refusal, target};
use super::parse;
use super::write::put;

pub(super) fn start(
    setting: &Setting,
    world: &mut World,
    text: &str,
) -> Result<Started, StartError> {
    let mut document = parse(text).map_err(StartError::Refused)?;
    let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let Some(namespace) = setting.primary.namespace.clone().filter(|_| !name.is_empty()) else {
        let text = "a Job needs a name, and a primary in a namespace".to_owned();
        return Err(StartError::Refused(KubeError::Invalid(text)));
    };
    let kind = joch_core::object::Gvk::new("batch", "v1", "Job");
    let key = ObjectKey { kind, namespace: Some(namespace), name: name.to_owned() };
    let mut denied =
        |missing: String| StartError::Refused(world.denied(Verb::Create, &key, missing));
    let Some(authority) = &setting.authority.jobs else {
        return Err(denied("jobs (grant.jobs)".to_owned()));
    };
    job::check(&document, authority).map_err(|refusal| match refusal {
        Refusal::Grant(missing) => denied(missing),
        Refusal::Field(text) => StartError::Refused(KubeError::Invalid(text)),
    })?;
    if let Ok(held) = world.cluster.get(&target(&key, None)) {
        return classify(setting, &key, held);
    }
    let limit = authority.requested.max_active.min(authority.granted.max_active);
    if unfinished(setting, world) >= limit as usize {
        return Err(StartError::OverBudget(limit));
    }
    world.spend(setting).map_err(StartError::Refused)?;
    put(&mut document, json!({"metadata": {"ownerReferences": setting.owners()}}));
    let change = Change {
        manager: setting.manager(),
        ..Change::new(target(&key, None), Operation::Create(document))
    };
    let stored = world.cluster.write(change);
    let stored = stored.map_err(|error| StartError::Refused(refusal(error, &key)))?;
    Ok(Started::Created(reference(&key, &stored)))
}

/// What a Job that bears the name means for the start.
fn classify(setting: &Setting, key: &ObjectKey, held: &Value) -> Result<Started, StartError> {
    let found = reference(key, held);
    match (is_owned_by(held, |uid| uid == setting.uid), is_deleting(held)) {
        (_, true) => Err(StartError::NameTerminating(found)),
        (true, false) => Ok(Started::AlreadyRunning(found)),
        (false, false) => Err(StartError::NameTaken(found)),
    }
}

/// How many Jobs of the controller's objects have not come to their end.
fn unfinished(setting: &Setting, world: &World) -> usize {
    let filter = Filter::default();
    let own = |uid: &str| {
        world.cluster.objects().any(|object| {
            let kind = setting.controller.reconciles().any(|kind| {
                object.get("kind").and_then(Value::as_str) == Some(kind.kind.as_str())
                    && object.get("apiVersion").and_then(Value::as_str) == Some(&kind.api_version())
            });
            kind && object.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid)
        })
    };
    let jobs = world.cluster.list("batch", "Job", &filter);
    jobs.filter(|job| is_owned_by(job, own) && !job::is_finished(job)).count()
}

fn is_owned_by(object: &Value, own: impl Fn(&str) -> bool) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.into_iter().flatten().any(|owner| {
        let controls = owner.get("controller") == Some(&Value::Bool(true));
        controls && owner.get("uid").and_then(Value::as_str).is_some_and(&own)
    })
}

fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

fn reference(key: &ObjectKey, object: &Value) -> ObjectRef {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
    ObjectRef { key: key.clone(), uid }
}
