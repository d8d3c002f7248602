//! How the cluster is written: what the server keeps, checks and adds.

use serde_json::{Map, Value};

use crate::{
    Change, Cluster, Error, Operation, Propagation, Target, Write, apply,
    cluster::{Held, Key, metadata, owners, text},
};

/// What only the server writes in an object's metadata.
const SERVERS: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
];

impl Cluster {
    /// Performs one write; gives the object as it is stored afterwards, for a deletion as it was.
    ///
    /// # Errors
    /// Any [`Error`]; nothing has changed then.
    pub fn write(&mut self, change: Change) -> Result<Value, Error> {
        let Change { target, subresource, if_version, manager, force, operation } = change;
        if let Some(other) = subresource.as_deref().filter(|name| *name != "status") {
            let text = format!("the only subresource here is \"status\", not {other:?}");
            return Err(Error::Invalid(text));
        }
        let key = Key::of(&target);
        if let Some(Held { object, .. }) = self.objects.get(&key) {
            let differs = |wanted: &Option<String>, field: &str| {
                wanted.as_ref().is_some_and(|wanted| wanted != text(object, field))
            };
            let created = matches!(operation, Operation::Create(_));
            if !created && (differs(&target.uid, "uid") || differs(&if_version, "resourceVersion"))
            {
                return Err(Error::Stale);
            }
        }
        let before = self.objects.get(&key).map(|held| held.object.clone());
        let (verb, body) = match operation {
            Operation::Create(mut body) => {
                complete(&mut body, &target)?;
                self.create(&key, body.clone())?;
                ("create", body)
            }
            Operation::Apply(mut body) => {
                complete(&mut body, &target)?;
                if before.is_none() && (target.uid.is_some() || if_version.is_some()) {
                    return Err(Error::Stale);
                }
                self.apply(&key, (manager.clone(), subresource.clone()), force, &body)?;
                ("apply", body)
            }
            Operation::Merge(body) => {
                let mut candidate = before.clone().ok_or(Error::NotFound)?;
                json_patch::merge(&mut candidate, &body);
                self.replace(&key, candidate, subresource.is_some())?;
                ("merge", body)
            }
            Operation::JsonPatch(body) => {
                let mut candidate = before.clone().ok_or(Error::NotFound)?;
                let invalid = |error: &dyn std::fmt::Display| Error::Invalid(error.to_string());
                let patch: json_patch::Patch =
                    serde_json::from_value(body.clone()).map_err(|error| invalid(&error))?;
                json_patch::patch(&mut candidate, &patch).map_err(|error| invalid(&error))?;
                self.replace(&key, candidate, subresource.is_some())?;
                ("json-patch", body)
            }
            Operation::Delete(propagation) => {
                self.objects.get(&key).ok_or(Error::NotFound)?;
                self.delete(&key, propagation)?;
                ("delete", Value::Null)
            }
        };
        let after = self.objects.get(&key).map(|held| held.object.clone());
        if after != before {
            self.writes.push(Write { verb, target, subresource, manager, body });
        }
        Ok(after.or(before).unwrap_or_default())
    }

    fn create(&mut self, key: &Key, mut object: Value) -> Result<(), Error> {
        if let Some(held) = self.objects.get(key) {
            return Err(Error::AlreadyExists(text(&held.object, "uid").to_owned()));
        }
        let birth = self.birth();
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        metadata(&mut object)?.extend(birth);
        self.objects.insert(key.clone(), Held { object, applied: apply::Applied::new() });
        Ok(())
    }

    fn apply(
        &mut self,
        key: &Key,
        who: (String, Option<String>),
        force: bool,
        document: &Value,
    ) -> Result<(), Error> {
        let status = who.1.is_some();
        let mine = apply::leaves(document);
        let Some(Held { object, applied }) = self.objects.get(key).cloned() else {
            if status {
                return Err(Error::NotFound);
            }
            self.create(key, document.clone())?;
            if let Some(held) = self.objects.get_mut(key) {
                held.applied.insert(who, mine);
            }
            return Ok(());
        };
        let conflicts = apply::conflicts(&applied, &who.0, &object, document);
        if !force && !conflicts.is_empty() {
            return Err(Error::OwnedByOther(conflicts));
        }
        let mut applied = applied;
        let before = applied.insert(who.clone(), mine.clone()).unwrap_or_default();
        let others = |leaf: &String| {
            applied.iter().any(|(other, leaves)| *other != who && leaves.contains(leaf))
        };
        let omitted = before.difference(&mine).filter(|leaf| !others(leaf)).cloned().collect();
        let candidate = apply::merge(&object, document, &omitted);
        for (other, leaves) in &mut applied {
            if *other != who {
                leaves.retain(|leaf| !conflicts.contains(leaf));
            }
        }
        self.replace(key, candidate, status)?;
        if let Some(held) = self.objects.get_mut(key) {
            held.applied = applied;
        }
        Ok(())
    }

    /// Puts a candidate in the place of an object, as far as the writer may decide; without its last
    /// finalizer, an object that is being deleted goes.
    fn replace(&mut self, key: &Key, candidate: Value, status: bool) -> Result<(), Error> {
        let current = self.objects.get(key).ok_or(Error::NotFound)?.object.clone();
        let mut next = merged(&current, candidate, status)?;
        if next == current {
            return Ok(());
        }
        let version = self.next_version();
        let meta = metadata(&mut next)?;
        meta.insert("resourceVersion".to_owned(), version);
        if let Some(generation) = meta.get("generation").and_then(Value::as_i64) {
            let spec_changed = i64::from(!status && current.get("spec") != next.get("spec"));
            metadata(&mut next)?
                .insert("generation".to_owned(), Value::from(generation + spec_changed));
        }
        let gone = is_deleting(&next) && !has_finalizers(&next);
        if let Some(held) = self.objects.get_mut(key) {
            held.object = next;
        }
        if gone {
            self.finish(key, Propagation::Background)?;
        }
        Ok(())
    }

    fn delete(&mut self, key: &Key, propagation: Propagation) -> Result<(), Error> {
        let Some(held) = self.objects.get(key) else { return Ok(()) };
        if !has_finalizers(&held.object) {
            return self.finish(key, propagation);
        }
        if !is_deleting(&held.object) {
            let (now, version) = (self.now(), self.next_version());
            if let Some(held) = self.objects.get_mut(key) {
                let meta = metadata(&mut held.object)?;
                meta.insert("deletionTimestamp".to_owned(), now);
                meta.insert("resourceVersion".to_owned(), version);
            }
        }
        Ok(())
    }

    /// Removes an object; then what it owned, unless somebody else owns it too.
    fn finish(&mut self, key: &Key, propagation: Propagation) -> Result<(), Error> {
        let Some(gone) = self.objects.remove(key) else { return Ok(()) };
        let uid = text(&gone.object, "uid").to_owned();
        let owned = |(_, held): &(&Key, &Held)| owners(&held.object).any(|owner| owner == uid);
        let dependents: Vec<Key> =
            self.objects.iter().filter(owned).map(|(key, _)| key.clone()).collect();
        for dependent in dependents {
            let Some(held) = self.objects.get(&dependent) else { continue };
            let lives =
                |owner: &str| self.objects.values().any(|o| text(&o.object, "uid") == owner);
            if propagation != Propagation::Orphan && !owners(&held.object).any(lives) {
                self.delete(&dependent, propagation)?;
                continue;
            }
            let mut kept = held.object.clone();
            let references = kept.pointer_mut("/metadata/ownerReferences");
            if let Some(references) = references.and_then(Value::as_array_mut) {
                references.retain(|owner| owner.get("uid") != Some(&Value::from(uid.as_str())));
            }
            self.replace(&dependent, kept, false)?;
        }
        Ok(())
    }
}

/// What the target says and a body may leave out.
fn complete(body: &mut Value, target: &Target) -> Result<(), Error> {
    let meta = metadata(body)?;
    meta.insert("name".to_owned(), Value::from(target.name.clone()));
    match &target.namespace {
        Some(namespace) => meta.insert("namespace".to_owned(), Value::from(namespace.clone())),
        None => meta.remove("namespace"),
    };
    if target.name.is_empty() {
        return Err(Error::Invalid("an object needs a name".to_owned()));
    }
    if let Some(fields) = body.as_object_mut() {
        fields.insert("apiVersion".to_owned(), Value::from(target.api_version()));
        fields.insert("kind".to_owned(), Value::from(target.kind.clone()));
    }
    Ok(())
}

/// The candidate, with what this write cannot change as it was.
fn merged(current: &Value, mut candidate: Value, status: bool) -> Result<Value, Error> {
    for field in ["uid", "resourceVersion"] {
        let said = text(&candidate, field);
        if !said.is_empty() && said != text(current, field) {
            return Err(Error::Stale);
        }
    }
    if status {
        let status = candidate.get("status").cloned();
        let mut next = current.clone();
        keep(next.as_object_mut(), "status", status);
        return Ok(next);
    }
    for field in ["apiVersion", "kind", "status"] {
        keep(candidate.as_object_mut(), field, current.get(field).cloned());
    }
    let meta = metadata(&mut candidate)?;
    for field in SERVERS {
        let value = current.get("metadata").and_then(|metadata| metadata.get(field)).cloned();
        keep(Some(&mut *meta), field, value);
    }
    Ok(candidate)
}

fn keep(fields: Option<&mut Map<String, Value>>, name: &str, value: Option<Value>) {
    if let Some(fields) = fields {
        match value {
            Some(value) => fields.insert(name.to_owned(), value),
            None => fields.remove(name),
        };
    }
}

fn is_deleting(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

fn has_finalizers(object: &Value) -> bool {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|finalizers| !finalizers.is_empty())
}
