//! Starting Jobs: the rules are `joch-core`'s; what is there and what is unfinished is the cluster's in memory.

use joch_core::grant::Verb;
use joch_core::job::{self, Starter};
use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::{StartError, Started};
use joch_fake::{Change, Filter, Operation};
use serde_json::Value;

use super::super::world::{Setting, World, refusal, target};
use super::parse;

pub(super) fn start(
    setting: &Setting,
    world: &mut World,
    text: &str,
) -> Result<Started, StartError> {
    let document = parse(text).map_err(StartError::Refused)?;
    let starter = Starter {
        plugin: setting.manifest.plugin.name.as_str(),
        controller: setting.controller.name.as_str(),
        primary: &setting.primary,
        uid: &setting.uid,
    };
    let key = starter.key(&document).map_err(StartError::Refused)?;
    let denied = |missing| world.denied(Verb::Create, &key, missing);
    let limit = job::admit(&document, setting.authority.jobs.as_ref(), denied)?;
    if let Ok(held) = world.cluster.get(&target(&key, None)) {
        let own = is_owned_by(held, |uid| uid == setting.uid);
        return job::held(reference(&key, held), own, is_deleting(held));
    }
    if unfinished(setting, world) >= limit as usize {
        return Err(StartError::OverBudget(limit));
    }
    world.spend(setting).map_err(StartError::Refused)?;
    let change = Change {
        manager: setting.manager(),
        ..Change::new(target(&key, None), Operation::Create(starter.adorn(document, &key)))
    };
    let stored = world.cluster.write(change);
    let stored = stored.map_err(|error| StartError::Refused(refusal(error, &key)))?;
    Ok(Started::Created(reference(&key, &stored)))
}

/// How many Jobs of the controller's objects have not come to their end.
fn unfinished(setting: &Setting, world: &World) -> usize {
    let filter = Filter::default();
    let own = |uid: &str| {
        world.cluster.objects().any(|object| {
            let kind = setting.controller.reconciles().any(|kind| {
                object.get("kind").and_then(Value::as_str) == Some(&*kind.kind)
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
