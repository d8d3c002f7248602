//! The cache's guarantees, by sequences of events.

use joch_core::manifest::WatchData;
use joch_core::object::Gvk;
use kube::api::DynamicObject;
use serde_json::json;

use super::*;

fn kind() -> Gvk {
    "v1/ConfigMap".parse().unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { kind: kind(), namespace: Some("a".into()), name: name.into() }
}

fn object(name: &str, version: u64, owner: &str) -> Arc<Cached> {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": "a", "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
            "managedFields": [{"manager": "m"}],
            "ownerReferences": [{"apiVersion": "v1", "kind": "Owner", "name": owner, "uid": owner, "controller": true}]
        }
    }))
    .unwrap();
    Cached::new(&kind(), object, &WatchData::Full).unwrap()
}

/// An object of which two fields are kept.
fn masked(version: u64, shown: &str, hidden: &str) -> Arc<Cached> {
    let object = serde_json::from_value(json!({
        "metadata": {"name": "m", "namespace": "a", "resourceVersion": version.to_string()},
        "data": {"shown": shown, "hidden": hidden},
    }));
    let data = WatchData::Metadata.and_field("/data/shown").and_field("/data/none");
    Cached::new(&kind(), object.unwrap(), &data).unwrap()
}

fn version_of(store: &Store, name: &str) -> Option<String> {
    store.get(&key(name)).map(|object| object.resource_version.clone())
}

#[test]
fn managed_fields_are_pruned_and_the_kind_is_filled_in() {
    let cached = object("m", 1, "o");
    assert!(!cached.json.contains("managedFields"));
    assert!(cached.json.contains("\"kind\":\"ConfigMap\""));
    assert_eq!(cached.controller().unwrap().uid, "o");
}

#[test]
fn an_older_or_equal_state_changes_nothing() {
    let mut store = Store::default();
    assert!(store.learn(key("m"), object("m", 5, "o")).is_some());
    assert!(store.learn(key("m"), object("m", 5, "o")).is_none(), "the echo of an own write");
    assert!(store.learn(key("m"), object("m", 4, "o")).is_none());
    let change = store.learn(key("m"), object("m", 6, "o")).unwrap();
    assert_eq!(change.old.unwrap().resource_version, "5");
    assert_eq!(version_of(&store, "m").as_deref(), Some("6"));
}

#[test]
fn a_change_of_nothing_that_is_kept_is_held_and_not_told() {
    let mut store = Store::default();
    assert!(store.learn(key("m"), masked(5, "a", "b")).is_some());
    assert!(store.learn(key("m"), masked(6, "a", "c")).is_none(), "only what is left out changed");
    assert_eq!(version_of(&store, "m").as_deref(), Some("6"));
    assert!(store.learn(key("m"), masked(7, "d", "c")).is_some());
    let held = store.get(&key("m")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&held.json).unwrap();
    assert_eq!(value["data"], json!({"shown": "d"}));
    assert_eq!(value["kind"], "ConfigMap");
    // Of whole objects, and of those by metadata, every version counts: the rest of it may have changed.
    assert!(store.learn(key("o"), object("o", 1, "o")).is_some());
    assert!(store.learn(key("o"), object("o", 2, "o")).is_some());
}

#[test]
fn a_list_removes_what_it_does_not_name_but_keeps_what_was_written_meanwhile() {
    let mut store = Store::default();
    store.learn(key("gone"), object("gone", 1, "o"));
    store.list_begins();
    store.learn(key("kept"), object("kept", 2, "o"));
    store.learn(key("own"), object("own", 9, "o"));
    let gone: Vec<_> = store.list_ends().into_iter().map(|change| change.key.name).collect();
    assert_eq!(gone, ["gone"]);
    assert_eq!(store.len(), 2);
}

#[test]
fn only_the_first_list_counts_as_initial() {
    let mut store = Store::default();
    store.list_begins();
    assert!(store.learn(key("m"), object("m", 1, "o")).unwrap().initial);
    store.list_ends();
    assert!(!store.learn(key("m"), object("m", 2, "o")).unwrap().initial);
    store.list_begins();
    assert!(!store.learn(key("m"), object("m", 3, "o")).unwrap().initial);
}

#[test]
fn a_late_answer_does_not_bring_a_deleted_object_back() {
    let mut store = Store::default();
    store.learn(key("m"), object("m", 1, "o"));
    assert!(store.delete(key("m"), &object("m", 3, "o")).is_some());
    assert!(store.learn(key("m"), object("m", 2, "o")).is_none());
    assert!(store.learn(key("m"), object("m", 4, "o")).is_some(), "created anew");
    assert!(store.delete(key("m"), &object("m", 3, "o")).is_none(), "an old deletion");
}

#[test]
fn owners_are_indexed_and_follow_changes() {
    let mut store = Store::default();
    store.learn(key("m"), object("m", 1, "first"));
    store.learn(key("m"), object("m", 2, "second"));
    assert_eq!(store.owned_by("first").count(), 0);
    assert_eq!(store.owned_by("second").count(), 1);
    for (number, owner) in ["a", "ab", "ab", "b"].into_iter().enumerate() {
        let name = format!("of-{owner}-{number}");
        store.learn(key(&name), object(&name, 3, owner));
    }
    let owned = |owner: &str| store.owned_by(owner).map(|(key, _)| &*key.name).collect::<Vec<_>>();
    assert_eq!(owned("ab"), ["of-ab-1", "of-ab-2"]);
    assert_eq!([owned("a"), owned("b")], [["of-a-0"], ["of-b-3"]]);
    assert!(owned("c").is_empty());
    store.delete(key("m"), &object("m", 3, "second"));
    assert_eq!(store.owned.len(), 4);
}

#[test]
fn remembered_deletions_are_bounded() {
    let mut store = Store::default();
    for n in 0..TOMBSTONES + 10 {
        let name = format!("m{n}");
        store.delete(key(&name), &object(&name, 1, "o"));
    }
    assert_eq!((store.deleted.len(), store.deletions.len()), (TOMBSTONES, TOMBSTONES));
}
