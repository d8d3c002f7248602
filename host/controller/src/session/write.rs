//! Writes of objects: checked, owned, remembered.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use joch_core::grant::{self, KubeCall, Verb};
use joch_core::object::{ObjectKey, owned_by};
use joch_core::port::{Change, Json, KubeError, Operation};
use kube::api::{DeleteParams, DynamicObject, Patch, PropagationPolicy};
use serde_json::{Value, json};

use super::Session;
use crate::client::{Write, api, send};
use crate::kinds::lock;

/// How many applied objects are remembered per controller; beyond that, all are forgotten, and each
/// costs one apply that changes nothing.
const REMEMBERED: usize = 100_000;

/// What a controller applied last, so that a settled object causes no write (G11): by object the hash of
/// the document, and the resource version that it led to.
#[derive(Debug, Default)]
pub(crate) struct Applied(HashMap<ObjectKey, (u64, String)>);

impl Applied {
    fn is_in_force(&self, key: &ObjectKey, document: u64, version: &str) -> bool {
        self.0.get(key).is_some_and(|(hash, at)| *hash == document && at == version)
    }

    fn remember(&mut self, key: ObjectKey, document: u64, version: String) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(key, (document, version));
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }
}

impl Session {
    /// Checks a write against the authority, and that it is not the primary's status.
    pub(super) fn allow_write(&self, change: &Change) -> Result<Verb, KubeError> {
        let key = &change.target.key;
        let verb = change.operation.verb();
        let call =
            KubeCall { subresource: change.subresource.as_deref(), ..KubeCall::on(verb, key) };
        self.allow(&call, key)?;
        if *key == self.key && change.subresource.as_deref() == Some("status") {
            let text = "the primary's status is written by status.report only";
            return Err(KubeError::Invalid(text.to_owned()));
        }
        Ok(verb)
    }

    /// An apply makes what is not there, which takes the grant to create. Without that grant it is bound to
    /// the object that is there, by its uid: the API server then makes none, whatever happens meanwhile.
    async fn bind(&self, change: &mut Change) -> Result<(), KubeError> {
        if !change.may_make() || change.target.uid.is_some() {
            return Ok(());
        }
        let (key, authority) = (&change.target.key, &self.version.authority);
        let create = KubeCall::on(Verb::Create, key);
        let decided =
            grant::decide(&authority.requested, &authority.granted, &create, self.namespace());
        let Err(missing) = decided else { return Ok(()) };
        let cached = self.around.views.get(&key.kind).and_then(|view| view.get(key));
        let held = match cached {
            Some(held) => held,
            None => match self.get_live(key).await {
                Err(KubeError::NotFound) => return Err(self.denied("create", key, missing)),
                found => found?.kept,
            },
        };
        change.target.uid = Some(held.uid.clone());
        Ok(())
    }

    pub(super) async fn write(&self, mut change: Change) -> Result<Json, KubeError> {
        let verb = self.allow_write(&change)?;
        self.bind(&mut change).await?;
        let key = &change.target.key;
        let served = self.served(&key.kind).await?;
        if served.namespaced != key.namespace.is_some() {
            let scope = if served.namespaced { "needs a namespace" } else { "has no namespace" };
            return Err(KubeError::Invalid(format!("{} {scope}", key.kind)));
        }
        let (write, document) = self.prepare(&change)?;
        if let Some(document) = document
            && let Some(held) = self.around.views.get(&key.kind).and_then(|view| view.get(key))
            && lock(&self.around.applied).is_in_force(key, document, &held.resource_version)
        {
            return Ok(held.json.clone());
        }
        self.spend()?;
        let api = api(&self.around.client, &served.resource, key.namespace.as_deref());
        let manager = self.manager();
        let before = self.around.views.get(&key.kind).and_then(|view| view.get(key));
        let answer = self.request(verb.as_str(), key, send(&api, key, &manager, write)).await;
        let answer = match answer {
            Err(error) => return Err(self.explain(error, &change).await),
            Ok(answer) => answer,
        };
        let Some(object) = answer else {
            if let (Some(view), Some(before)) = (self.around.views.get(&key.kind), before) {
                view.forget(key, &before);
            }
            return Ok(Arc::from(""));
        };
        // Other subresources are answered with an object of their own kind, such as a Scale.
        if change.subresource.as_deref().is_some_and(|name| name != "status") {
            self.refresh(key).await;
            return Ok(serde_json::to_string(&object).map_err(invalid)?.into());
        }
        let stored = self.learn(key, object)?.kept;
        if let Some(document) = document {
            lock(&self.around.applied).remember(
                key.clone(),
                document,
                stored.resource_version.clone(),
            );
        }
        Ok(stored.json.clone())
    }

    /// Has the cache see a write that was not answered with the object itself.
    async fn refresh(&self, key: &ObjectKey) {
        if self.around.views.contains_key(&key.kind)
            && let Err(error) = self.fetch(key).await
        {
            tracing::debug!(%error, "the cache sees an own write later, by its watch");
        }
    }

    /// A refusal for another uid than the one that the call names is told as what it is.
    async fn explain(&self, error: KubeError, change: &Change) -> KubeError {
        let Some(uid) = &change.target.uid else { return error };
        if !matches!(error, KubeError::Invalid(_)) {
            return error;
        }
        match self.fetch(&change.target.key).await {
            Ok(newest) if newest.kept.uid != *uid => KubeError::Stale,
            _ => error,
        }
    }

    /// The request for a change, and for an apply the hash of its document.
    fn prepare(&self, change: &Change) -> Result<(Write, Option<u64>), KubeError> {
        let Change { target, subresource, if_version, force, owned, operation } = change;
        let key = &target.key;
        let patch = |patch| Write::Patch { patch, subresource: subresource.clone(), force: false };
        match operation {
            Operation::Create(text) => {
                let mut document = self.document(key, text, *owned)?;
                set_version(&mut document, None);
                let object: DynamicObject = serde_json::from_value(document).map_err(invalid)?;
                Ok((Write::Create(Box::new(object)), None))
            }
            Operation::Apply(text) => {
                let mut document = self.document(key, text, *owned)?;
                set_uid(&mut document, target.uid.as_deref());
                set_version(&mut document, if_version.as_deref());
                let mut hasher = DefaultHasher::new();
                (document.to_string(), subresource, force).hash(&mut hasher);
                let patch = Patch::Apply(document);
                let write = Write::Patch { patch, subresource: subresource.clone(), force: *force };
                Ok((write, Some(hasher.finish())))
            }
            Operation::Merge(text) => {
                let mut document = parse_object(text)?;
                set_uid(&mut document, target.uid.as_deref());
                set_version(&mut document, if_version.as_deref());
                if *owned {
                    return Err(KubeError::Invalid(
                        "owned() goes with create and apply only".to_owned(),
                    ));
                }
                Ok((patch(Patch::Merge(document)), None))
            }
            Operation::JsonPatch(text) => {
                let mut operations: Vec<Value> = serde_json::from_str(text).map_err(invalid)?;
                let put = |op: &str, path: &str, value: &str| json!({"op": op, "path": path, "value": value});
                let uid = target.uid.iter().map(|uid| put("test", "/metadata/uid", uid));
                // Set and not tested: the API server then answers with a conflict.
                let version = if_version.iter().map(|v| put("add", "/metadata/resourceVersion", v));
                operations.splice(0..0, uid.chain(version));
                let operations =
                    serde_json::from_value(Value::Array(operations)).map_err(invalid)?;
                Ok((patch(Patch::Json::<Value>(operations)), None))
            }
            Operation::Delete(propagation) => {
                let policy = match propagation.as_str() {
                    "Background" => PropagationPolicy::Background,
                    "Foreground" => PropagationPolicy::Foreground,
                    "Orphan" => PropagationPolicy::Orphan,
                    other => {
                        let text =
                            format!("propagation {other:?} (Background, Foreground or Orphan)");
                        return Err(KubeError::Invalid(text));
                    }
                };
                let preconditions = kube::api::Preconditions {
                    uid: target.uid.clone(),
                    resource_version: if_version.clone(),
                };
                let params = DeleteParams {
                    propagation_policy: Some(policy),
                    preconditions: Some(preconditions),
                    ..DeleteParams::default()
                };
                Ok((Write::Delete(params), None))
            }
        }
    }

    /// The guest's document, made to name what the call names.
    pub(super) fn document(
        &self,
        key: &ObjectKey,
        text: &str,
        owned: bool,
    ) -> Result<Value, KubeError> {
        let mut document = parse_object(text)?;
        let fields = document.as_object_mut().ok_or_else(|| not_an_object(text))?;
        fields.insert("apiVersion".to_owned(), key.kind.api_version().into());
        fields.insert("kind".to_owned(), (*key.kind.kind).into());
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else {
            return Err(KubeError::Invalid("metadata has to be an object".to_owned()));
        };
        metadata.insert("name".to_owned(), key.name.clone().into());
        match &key.namespace {
            Some(namespace) => metadata.insert("namespace".to_owned(), namespace.clone().into()),
            None => metadata.remove("namespace"),
        };
        metadata.remove("managedFields");
        if owned {
            let owner = owned_by(&self.key, &self.primary.uid);
            metadata.insert("ownerReferences".to_owned(), owner);
        }
        Ok(document)
    }
}

fn set_uid(document: &mut Value, uid: Option<&str>) {
    set(document, "uid", uid);
}

fn set_version(document: &mut Value, version: Option<&str>) {
    set(document, "resourceVersion", version);
}

/// Sets a field of the metadata, or removes it.
fn set(document: &mut Value, field: &str, value: Option<&str>) {
    let Some(fields) = document.as_object_mut() else { return };
    match value {
        Some(value) => {
            let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert(field.to_owned(), value.into());
            }
        }
        None => {
            if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove(field);
            }
        }
    }
}

pub(super) fn parse_object(text: &str) -> Result<Value, KubeError> {
    let value: Value = serde_json::from_str(text).map_err(invalid)?;
    if value.is_object() { Ok(value) } else { Err(not_an_object(text)) }
}

fn not_an_object(text: &str) -> KubeError {
    let start: String = text.chars().take(40).collect();
    KubeError::Invalid(format!("a JSON object is expected, not {start:?}"))
}

fn invalid(error: serde_json::Error) -> KubeError {
    KubeError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apply_is_in_force_only_with_the_same_document_on_the_same_version() {
        let key =
            ObjectKey { kind: "v1/ConfigMap".parse().unwrap(), namespace: None, name: "m".into() };
        let mut applied = Applied::default();
        applied.remember(key.clone(), 1, "7".into());
        assert!(applied.is_in_force(&key, 1, "7"));
        assert!(!applied.is_in_force(&key, 2, "7"), "another document");
        assert!(!applied.is_in_force(&key, 1, "8"), "somebody else wrote");
        applied.forget(&key);
        assert!(!applied.is_in_force(&key, 1, "7"));
    }

    #[test]
    fn so_many_applies_are_remembered_and_no_more() {
        let key = |number: usize| ObjectKey {
            kind: "v1/ConfigMap".parse().unwrap(),
            namespace: None,
            name: number.to_string(),
        };
        let mut applied = Applied::default();
        for number in 0..=REMEMBERED {
            applied.remember(key(number), 1, "7".into());
        }
        assert!(applied.0.len() <= REMEMBERED);
        assert!(applied.is_in_force(&key(REMEMBERED), 1, "7"), "the last one is");
    }

    #[test]
    fn metadata_of_a_document_is_set_and_removed() {
        let mut document = json!({});
        set_version(&mut document, Some("3"));
        set_uid(&mut document, None);
        assert_eq!(document, json!({"metadata": {"resourceVersion": "3"}}));
        set_version(&mut document, None);
        assert_eq!(document, json!({"metadata": {}}));
    }
}
