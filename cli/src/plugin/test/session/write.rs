//! Writes of objects: checked, owned, performed in memory.

use joch_core::grant::{KubeCall, Verb};
use joch_core::port::{self, Json, KubeError, Operation};
use joch_core::projection::keep;
use joch_fake::{Change, Operation as Fake, Propagation};
use serde_json::{Value, json};

use super::super::world::{Setting, World, refusal, target};
use super::parse;

pub(super) fn write(
    setting: &Setting,
    world: &mut World,
    change: port::Change,
) -> Result<Json, KubeError> {
    let key = change.target.key.clone();
    let verb = change.operation.verb();
    let call = KubeCall { subresource: change.subresource.as_deref(), ..KubeCall::on(verb, &key) };
    world.allow(setting, &call, &key)?;
    if key == setting.primary && change.subresource.as_deref() == Some("status") {
        let text = "the primary's status is written by status.report only";
        return Err(KubeError::Invalid(text.to_owned()));
    }
    if change.may_make() && world.cluster.get(&target(&key, None)).is_err() {
        world.allow(setting, &KubeCall::on(Verb::Create, &key), &key)?;
    }
    let deletes = verb == Verb::Delete;
    let operation = operation(setting, change.operation, change.owned)?;
    world.spend(setting)?;
    let stored = world.cluster.write(Change {
        target: target(&key, change.target.uid.as_deref()),
        subresource: change.subresource,
        if_version: change.if_version,
        manager: setting.manager(),
        force: change.force,
        operation,
    });
    let stored = stored.map_err(|error| refusal(error, &key))?;
    // As the host answers: with what it keeps of the kind.
    let data = setting.cached(&key.kind).unwrap_or_default();
    Ok(if deletes { "".into() } else { keep(stored, &data).to_string().into() })
}

fn operation(setting: &Setting, operation: Operation, owned: bool) -> Result<Fake, KubeError> {
    let document = |text: &str| {
        let mut document = parse(text)?;
        if owned {
            let owners = json!({"metadata": {"ownerReferences": setting.owners()}});
            put(&mut document, owners);
        }
        Ok::<Value, KubeError>(document)
    };
    match operation {
        Operation::Create(text) => Ok(Fake::Create(document(&text)?)),
        Operation::Apply(text) => Ok(Fake::Apply(document(&text)?)),
        Operation::Merge(_) if owned => {
            Err(KubeError::Invalid("owned() goes with create and apply only".to_owned()))
        }
        Operation::Merge(text) => Ok(Fake::Merge(parse(&text)?)),
        Operation::JsonPatch(text) => serde_json::from_str(&text)
            .map(Fake::JsonPatch)
            .map_err(|error| KubeError::Invalid(error.to_string())),
        Operation::Delete(propagation) => match propagation.as_str() {
            "Background" => Ok(Fake::Delete(Propagation::Background)),
            "Foreground" => Ok(Fake::Delete(Propagation::Foreground)),
            "Orphan" => Ok(Fake::Delete(Propagation::Orphan)),
            other => {
                let text = format!("propagation {other:?} (Background, Foreground or Orphan)");
                Err(KubeError::Invalid(text))
            }
        },
    }
}

/// Puts the fields of `ours` into a document, level by level.
pub(super) fn put(document: &mut Value, ours: Value) {
    match (document, ours) {
        (Value::Object(fields), Value::Object(ours)) => {
            for (name, value) in ours {
                put(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (place, value) => *place = value,
    }
}
