//! What a namespace came to, without what differs from run to run; and who wrote it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::checks::Violation;
use crate::proxy::Entry;

/// The objects of a namespace by kind and name.
pub type State = BTreeMap<String, Value>;

/// The objects of these kinds (`group`, `version`, `Kind`) in a namespace, as the API server has them.
///
/// # Errors
/// The API server's.
pub async fn read(
    client: &Client,
    namespace: &str,
    kinds: &[(&str, &str, &str)],
) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for (group, version, kind) in kinds {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        for object in api.list(&ListParams::default()).await?.items {
            // Every namespace gets it from the control plane.
            if object.metadata.name.as_deref() == Some("kube-root-ca.crt") {
                continue;
            }
            let mut object = serde_json::to_value(object)?;
            if let Some(fields) = object.as_object_mut() {
                fields.insert("kind".to_owned(), json!(kind));
            }
            objects.push(object);
        }
    }
    Ok(objects)
}

/// The objects without uids, versions, managers and times; the namespace's name is replaced.
#[must_use]
pub fn normalised(objects: &[Value], namespace: &str) -> State {
    let uids: BTreeSet<&str> =
        objects.iter().filter_map(|object| object.pointer("/metadata/uid")?.as_str()).collect();
    let normal = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["uid", "resourceVersion", "managedFields", "creationTimestamp"] {
                metadata.remove(field);
            }
        }
        replace(&mut object, &uids, namespace);
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        (format!("{} {}", text("/kind"), text("/metadata/name")), object)
    };
    objects.iter().map(normal).collect()
}

fn replace(value: &mut Value, uids: &BTreeSet<&str>, namespace: &str) {
    match value {
        Value::String(text) if uids.contains(text.as_str()) => "<uid>".clone_into(text),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => "<time>".clone_into(text),
        Value::String(text) if text.contains(namespace) => {
            *text = text.replace(namespace, "<namespace>");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, uids, namespace)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| replace(field, uids, namespace));
        }
        _ => {}
    }
}

/// Where two states differ, one line each.
#[must_use]
pub fn differences(wanted: &State, found: &State) -> Vec<String> {
    let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differs = |name: &&String| wanted.get(*name) != found.get(*name);
    let line = |name: &String| match (wanted.get(name), found.get(name)) {
        (Some(_), None) => format!("{name} is missing"),
        (None, Some(_)) => format!("{name} is there and should not be"),
        (wanted, found) => format!(
            "{name} is {} instead of {}",
            found.unwrap_or(&Value::Null),
            wanted.unwrap_or(&Value::Null)
        ),
    };
    names.into_iter().filter(differs).map(line).collect()
}

/// Jobs that were made twice: more than one POST of one name was answered well, whether or not the host
/// learned of it; or the POSTs of one owner have different names.
#[must_use]
pub fn doubled(entries: &[Entry], resource: &str) -> Vec<Violation> {
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.request.creates(resource)) {
        let name = entry.body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
        if entry.succeeded() {
            *made.entry(name).or_default() += 1;
        }
        names.entry(entry.owner().unwrap_or("nobody")).or_default().insert(name);
    }
    let twice = made.into_iter().filter(|(_, posts)| *posts > 1);
    let various = names.into_iter().map(|(owner, names)| (owner, names.len()));
    twice
        .chain(various.filter(|(_, names)| *names > 1))
        .map(|(owner, posts)| Violation::Posts { owner: owner.to_owned(), posts })
        .collect()
}

/// Objects that more than one plugin wrote, by the names of their field managers.
#[must_use]
pub fn shared(objects: &[Value]) -> Vec<String> {
    let writers = |object: &Value| -> BTreeSet<String> {
        let managers = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let names = managers.into_iter().flatten().filter_map(|m| m.get("manager")?.as_str());
        let plugin = |name: &str| Some(name.strip_prefix("joch/")?.split('/').next()?.to_owned());
        names.filter_map(plugin).collect()
    };
    let two = |object: &&Value| writers(object).len() > 1;
    objects
        .iter()
        .filter(two)
        .map(|o| format!("{:?}: {:?}", o.pointer("/metadata/name"), writers(o)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::proxy::ApiRequest;

    fn object(name: &str, uid: &str, data: &Value) -> Value {
        json!({"kind": "K", "metadata": {"name": name, "namespace": "n-1", "uid": uid,
            "resourceVersion": uid, "labels": {"of": uid}}, "data": data})
    }

    fn post(name: &str, owner: &str, code: u16) -> Entry {
        let path = "/apis/batch/v1/namespaces/n/jobs".parse().unwrap();
        let owners = json!([{"controller": true, "uid": owner}]);
        Entry {
            number: 0,
            at: SystemTime::UNIX_EPOCH,
            request: ApiRequest::parse(&http::Method::POST, &path),
            body: json!({"metadata": {"name": name, "ownerReferences": owners}}),
            code: Some(code),
            reason: None,
            answered: None,
        }
    }

    #[test]
    fn what_differs_from_run_to_run_does_not_count() {
        let one = object("a", "u1", &json!({"at": "2026-01-01T00:00:00Z", "in": "n-1/a"}));
        let mut two = object("a", "u2", &json!({"at": "2027-01-01T00:00:00Z", "in": "n-2/a"}));
        two["metadata"]["namespace"] = json!("n-2");
        let states = (normalised(&[one], "n-1"), normalised(&[two], "n-2"));
        assert_eq!(differences(&states.0, &states.1), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_too_much_or_different_is_named() {
        let normal = |objects: &[Value]| normalised(objects, "n-1");
        let good = normal(&[object("a", "u", &json!(1))]);
        let check = |objects: &[Value], text: &str| {
            let found = differences(&good, &normal(objects)).join(";");
            assert!(found.contains(text), "{found}");
        };
        check(&[], "K a is missing");
        check(&[object("a", "u", &json!(2))], "K a is {");
        check(&[object("a", "u", &json!(1)), object("b", "v", &json!(1))], "K b is there");
        // A label that names an object that is not there is no uid.
        let mut stray = object("a", "u", &json!(1));
        stray["metadata"]["labels"]["of"] = json!("somebody");
        check(&[stray], "somebody");
    }

    #[test]
    fn a_repeated_post_is_fine_if_it_was_refused_and_only_then() {
        assert_eq!(doubled(&[post("j", "u", 201), post("j", "u", 409)], "jobs"), []);
        let twice = Violation::Posts { owner: "j".to_owned(), posts: 2 };
        assert_eq!(doubled(&[post("j", "u", 201), post("j", "u", 201)], "jobs"), [twice]);
        let various = Violation::Posts { owner: "u".to_owned(), posts: 2 };
        assert_eq!(doubled(&[post("j", "u", 201), post("k", "u", 409)], "jobs"), [various]);
    }

    #[test]
    fn an_object_with_two_writing_plugins_is_named() {
        let by = |managers: &[&str]| {
            let fields: Vec<Value> = managers.iter().map(|m| json!({ "manager": m })).collect();
            json!({"metadata": {"name": "m", "managedFields": fields}})
        };
        assert!(shared(&[by(&["joch/a/x", "joch/a/y", "kubectl"])]).is_empty());
        assert_eq!(shared(&[by(&["joch/a/x", "joch/b/x"])]).len(), 1);
    }
}
