//! What is in the cluster, and how it is read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Error, Selector, Target, Write, apply::Applied};

/// A cluster in memory.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub(crate) objects: BTreeMap<Key, Held>,
    pub(crate) writes: Vec<Write>,
    now: String,
    versions: u64,
    uids: u64,
}

/// What identifies an object. The order is that of lists: namespace, then name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    group: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

/// One object, and who applied what of it.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) object: Value,
    pub(crate) applied: Applied,
}

/// Which objects of a kind are meant. By default all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only objects whose labels match.
    pub labels: Selector,
    /// Only objects that have this uid among their owners.
    pub owned_by: Option<String>,
}

impl Cluster {
    /// An empty cluster at this time (RFC 3339), which new objects bear.
    pub fn new(now: impl Into<String>) -> Self {
        Self { now: now.into(), ..Self::default() }
    }

    /// Lets the clock say something else.
    pub fn set_now(&mut self, now: impl Into<String>) {
        self.now = now.into();
    }

    /// Puts an object there as it is, status included, in the place of one of the same name; only uid,
    /// resource version, generation and creation time are filled in if it has none. No record is made.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it lacks `apiVersion`, `kind` or `metadata.name`.
    pub fn insert(&mut self, mut object: Value) -> Result<Target, Error> {
        let target = Target::of(&object)?;
        let fresh = self.birth();
        let meta = metadata(&mut object)?;
        for (name, value) in fresh {
            meta.entry(name).or_insert(value);
        }
        let uid = object.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
        self.objects.insert(Key::of(&target), Held { object, applied: Applied::new() });
        Ok(Target { uid, ..target })
    }

    /// Takes an object away at once, whatever its finalizers; what it owns stays. Gives the object, if
    /// there was one. No record is made.
    pub fn remove(&mut self, target: &Target) -> Option<Value> {
        self.objects.remove(&Key::of(target)).map(|held| held.object)
    }

    /// One object.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one of the same name with another uid than the target's.
    pub fn get(&self, target: &Target) -> Result<&Value, Error> {
        let object = &self.objects.get(&Key::of(target)).ok_or(Error::NotFound)?.object;
        let other = target.uid.as_deref().is_some_and(|uid| uid != text(object, "uid"));
        if other { Err(Error::NotFound) } else { Ok(object) }
    }

    /// The objects of one kind that a filter selects, ordered by namespace and name.
    pub fn list<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
        filter: &'a Filter,
    ) -> impl Iterator<Item = &'a Value> {
        let Filter { namespace, labels, owned_by } = filter;
        self.objects
            .iter()
            .filter(move |(key, _)| key.group == group && key.kind == kind)
            .filter(move |(key, _)| namespace.is_none() || key.namespace == *namespace)
            .map(|(_, held)| &held.object)
            .filter(move |object| {
                labels.matches(object.pointer("/metadata/labels").and_then(Value::as_object))
            })
            .filter(move |object| {
                owned_by.as_ref().is_none_or(|uid| owners(object).any(|owner| owner == uid))
            })
    }

    /// All objects, ordered by group, kind, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values().map(|held| &held.object)
    }

    /// The writes that changed something, in their order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Forgets the writes so far.
    pub fn forget_writes(&mut self) {
        self.writes.clear();
    }

    /// The time.
    pub(crate) fn now(&self) -> Value {
        Value::from(self.now.clone())
    }

    /// The next resource version.
    pub(crate) fn next_version(&mut self) -> Value {
        self.versions += 1;
        Value::from(self.versions.to_string())
    }

    /// What the server adds to the metadata of a new object.
    pub(crate) fn birth(&mut self) -> Map<String, Value> {
        self.uids += 1;
        let uid = format!("00000000-0000-4000-8000-{:012x}", self.uids);
        Map::from_iter([
            ("uid".to_owned(), Value::from(uid)),
            ("resourceVersion".to_owned(), self.next_version()),
            ("generation".to_owned(), Value::from(1)),
            ("creationTimestamp".to_owned(), self.now()),
        ])
    }
}

impl Key {
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            group: target.group.clone(),
            kind: target.kind.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
        }
    }
}

/// A document's `metadata`, made if it is missing.
pub(crate) fn metadata(object: &mut Value) -> Result<&mut Map<String, Value>, Error> {
    let fields = object.as_object_mut();
    let fields = fields.ok_or_else(|| Error::Invalid("not a JSON object".to_owned()))?;
    let metadata = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    metadata.as_object_mut().ok_or_else(|| Error::Invalid("metadata is no object".to_owned()))
}

/// A text of an object's metadata; empty if it is missing.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    let field = object.get("metadata").and_then(|metadata| metadata.get(field));
    field.and_then(Value::as_str).unwrap_or_default()
}

/// The uids of an object's owners.
pub(crate) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let references = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    references.into_iter().flatten().filter_map(|owner| owner.get("uid")?.as_str())
}

#[cfg(test)]
mod tests;
