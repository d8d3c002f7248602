//! Tables: a write, and what the cluster says afterwards.

use serde_json::json;

use super::*;
use crate::{Change, Operation, Propagation};

const NOW: &str = "2026-11-21T07:00:00Z";

fn target() -> Target {
    Target::new("x.io/v1", "X", Some("team"), "x")
}

/// A cluster with one X of two fields, a status and a label.
fn cluster() -> Cluster {
    let mut cluster = Cluster::new(NOW);
    let object = json!({
        "apiVersion": "x.io/v1", "kind": "X",
        "metadata": { "name": "x", "namespace": "team", "uid": "u", "labels": { "a": "1" } },
        "spec": { "a": 1, "b": { "c": 2 } }, "status": { "phase": "Old" },
    });
    cluster.insert(object).unwrap();
    cluster
}

fn change(operation: Operation) -> Change {
    Change::new(target(), operation)
}

fn to_status(operation: Operation) -> Change {
    Change { subresource: Some("status".to_owned()), ..change(operation) }
}

fn by(manager: &str, force: bool, body: Value) -> Change {
    let manager = manager.to_owned();
    Change { manager, force, ..change(Operation::Apply(body)) }
}

/// An object of kind Y with these owners and finalizers.
fn owned(name: &str, owners: &[&str], finalizers: &[&str]) -> Value {
    let reference = |uid| json!({ "apiVersion": "x.io/v1", "kind": "X", "name": "?", "uid": uid });
    let owners: Vec<Value> = owners.iter().map(reference).collect();
    json!({ "apiVersion": "v1", "kind": "Y", "metadata": {
        "name": name, "namespace": "team", "uid": name,
        "ownerReferences": owners, "finalizers": finalizers,
    } })
}

fn names(cluster: &Cluster) -> Vec<&str> {
    cluster.objects().map(|object| text(object, "name")).collect()
}

#[test]
fn a_new_object_gets_what_the_server_keeps() {
    let mut cluster = Cluster::new(NOW);
    let body =
        json!({ "spec": { "a": 1 }, "status": { "phase": "Mine" }, "metadata": { "uid": "mine" } });
    let stored = cluster.write(change(Operation::Create(body))).unwrap();
    let uid = "00000000-0000-4000-8000-000000000001";
    assert_eq!(
        stored,
        json!({ "apiVersion": "x.io/v1", "kind": "X", "spec": { "a": 1 }, "metadata": {
            "name": "x", "namespace": "team", "uid": uid, "resourceVersion": "1", "generation": 1,
            "creationTimestamp": NOW,
        } })
    );
    let again = cluster.write(change(Operation::Create(json!({}))));
    assert_eq!(again, Err(Error::AlreadyExists(uid.to_owned())));
    assert_eq!(cluster.writes().len(), 1);
}

#[test]
fn a_write_changes_what_it_may_and_the_versions_tell() {
    let spec = |a: i64| json!({ "a": a, "b": { "c": 2 } });
    let status = |phase: &str| json!({ "phase": phase });
    let patch = |pointer: &str, value: Value| {
        Operation::JsonPatch(json!([{ "op": "replace", "path": pointer, "value": value }]))
    };
    // What is written; spec, status, resource version and generation afterwards.
    for (write, expected_spec, expected_status, version, generation) in [
        (change(Operation::Merge(json!({ "spec": { "a": 5 } }))), spec(5), status("Old"), "2", 2),
        (change(Operation::Merge(json!({ "spec": { "a": 1 } }))), spec(1), status("Old"), "1", 1),
        (
            change(Operation::Merge(json!({ "metadata": { "labels": { "a": "2" } } }))),
            spec(1),
            status("Old"),
            "2",
            1,
        ),
        (
            change(Operation::Merge(json!({ "spec": { "b": null } }))),
            json!({ "a": 1 }),
            status("Old"),
            "2",
            2,
        ),
        (
            change(Operation::Merge(json!({ "status": status("New") }))),
            spec(1),
            status("Old"),
            "1",
            1,
        ),
        (
            change(Operation::Merge(
                json!({ "metadata": { "uid": null, "generation": 9, "name": "y" } }),
            )),
            spec(1),
            status("Old"),
            "1",
            1,
        ),
        (
            to_status(Operation::Merge(json!({ "status": status("New"), "spec": { "a": 5 } }))),
            spec(1),
            status("New"),
            "2",
            1,
        ),
        (change(patch("/spec/a", json!(7))), spec(7), status("Old"), "2", 2),
        (to_status(patch("/status/phase", json!("New"))), spec(1), status("New"), "2", 1),
        (change(Operation::Apply(json!({ "spec": { "a": 8 } }))), spec(8), status("Old"), "2", 2),
        (
            to_status(Operation::Apply(json!({ "status": status("New") }))),
            spec(1),
            status("New"),
            "2",
            1,
        ),
    ] {
        let mut cluster = cluster();
        let stored = cluster.write(write.clone()).unwrap();
        assert_eq!(cluster.get(&target()), Ok(&stored));
        assert_eq!(stored["spec"], expected_spec, "{write:?}");
        assert_eq!(stored["status"], expected_status, "{write:?}");
        assert_eq!(stored["metadata"]["resourceVersion"], version, "{write:?}");
        assert_eq!(stored["metadata"]["generation"], generation, "{write:?}");
        assert_eq!((text(&stored, "uid"), text(&stored, "name")), ("u", "x"), "{write:?}");
        assert_eq!(cluster.writes().len(), usize::from(version == "2"), "{write:?}");
    }
}

#[test]
fn a_write_that_cannot_be_is_refused_and_changes_nothing() {
    let merge = || Operation::Merge(json!({ "spec": { "a": 5 } }));
    let stale_body = |field: &str| Operation::Merge(json!({ "metadata": { field: "9" } }));
    let missing = Target { name: "y".to_owned(), ..target() };
    let other = Target { uid: Some("v".to_owned()), ..target() };
    let new = Target { uid: Some("v".to_owned()), ..missing.clone() };
    for (write, expected) in [
        (Change { if_version: Some("9".to_owned()), ..change(merge()) }, Error::Stale),
        (change(stale_body("resourceVersion")), Error::Stale),
        (change(stale_body("uid")), Error::Stale),
        (Change::new(other.clone(), merge()), Error::Stale),
        (Change::new(other, Operation::Delete(Propagation::Background)), Error::Stale),
        (Change::new(new, Operation::Apply(json!({}))), Error::Stale),
        (Change::new(missing.clone(), merge()), Error::NotFound),
        (Change::new(missing.clone(), Operation::JsonPatch(json!([]))), Error::NotFound),
        (Change::new(missing.clone(), Operation::Delete(Propagation::Orphan)), Error::NotFound),
        (
            Change {
                subresource: Some("status".to_owned()),
                ..Change::new(missing, Operation::Apply(json!({})))
            },
            Error::NotFound,
        ),
        (
            Change { subresource: Some("scale".to_owned()), ..change(merge()) },
            Error::Invalid("the only subresource here is \"status\", not \"scale\"".to_owned()),
        ),
        (change(Operation::Create(json!("text"))), Error::Invalid("not a JSON object".to_owned())),
    ] {
        let before = cluster();
        let mut cluster = before.clone();
        assert_eq!(cluster.write(write.clone()), Err(expected), "{write:?}");
        assert_eq!(cluster.get(&target()), before.get(&target()), "{write:?}");
        assert_eq!(cluster.objects().count(), 1, "{write:?}");
        assert_eq!(cluster.writes(), []);
    }
    let test = json!([{ "op": "test", "path": "/spec/a", "value": 9 }]);
    let failed = cluster().write(change(Operation::JsonPatch(test)));
    assert!(matches!(failed, Err(Error::Invalid(_))), "{failed:?}");
    let same = Change { if_version: Some("1".to_owned()), ..change(merge()) };
    assert!(cluster().write(same).is_ok());
}

#[test]
fn an_apply_removes_what_its_manager_omits_and_nothing_else() {
    let mut cluster = cluster();
    cluster.write(by("one", false, json!({ "spec": { "d": { "e": 1 }, "f": 2 } }))).unwrap();
    cluster.write(by("two", false, json!({ "spec": { "f": 2, "g": 3 } }))).unwrap();
    let stored = cluster.write(by("one", false, json!({ "spec": { "h": [4] } }))).unwrap();
    // `d` goes with its only leaf; `f` stays, as somebody else applied it too; `a` and `b` are nobody's.
    assert_eq!(stored["spec"], json!({ "a": 1, "b": { "c": 2 }, "f": 2, "g": 3, "h": [4] }));
    let stored = cluster.write(by("two", false, json!({}))).unwrap();
    assert_eq!(stored["spec"], json!({ "a": 1, "b": { "c": 2 }, "h": [4] }));
}

#[test]
fn an_apply_takes_over_what_others_applied_only_with_force() {
    let mut cluster = cluster();
    cluster.write(by("one", false, json!({ "spec": { "d": 1, "e": 1 } }))).unwrap();
    let two = json!({ "spec": { "d": 2, "e": 1 } });
    let refused = cluster.write(by("two", false, two.clone()));
    assert_eq!(refused, Err(Error::OwnedByOther(vec!["/spec/d".to_owned()])));
    assert_eq!(cluster.write(by("two", true, two)).unwrap()["spec"]["d"], 2);
    // It is the second one's now, which needs no force any more; and the first one's omission does not
    // remove it.
    cluster.write(by("two", false, json!({ "spec": { "d": 3, "e": 1 } }))).unwrap();
    let stored = cluster.write(by("one", false, json!({}))).unwrap();
    assert_eq!(stored["spec"]["d"], 3);
}

#[test]
fn a_deleted_object_takes_along_what_only_it_owns() {
    for (propagation, left, owner_of_a) in [
        (Propagation::Background, &["b", "other"][..], None),
        (Propagation::Foreground, &["b", "other"], None),
        (Propagation::Orphan, &["a", "b", "c", "other"], Some(0)),
    ] {
        let mut cluster = cluster();
        for object in [
            owned("other", &[], &[]),
            owned("a", &["u"], &[]),
            owned("b", &["u", "other"], &[]),
            owned("c", &["a"], &[]),
        ] {
            cluster.insert(object).unwrap();
        }
        cluster.write(change(Operation::Delete(propagation))).unwrap();
        assert_eq!(names(&cluster), left, "{propagation:?}");
        let owners_of = |name: &str| {
            let object = cluster.get(&Target::new("v1", "Y", Some("team"), name)).ok();
            object.map(|object| owners(object).count())
        };
        assert_eq!(owners_of("a"), owner_of_a, "{propagation:?}");
        assert_eq!(owners_of("b"), Some(1), "{propagation:?}");
        assert_eq!(cluster.writes().len(), 1, "{propagation:?}");
    }
}

#[test]
fn finalizers_hold_an_object_and_what_it_owns() {
    let mut cluster = cluster();
    let mut held = owned("held", &["u"], &["x.io/cleanup"]);
    held["metadata"]["labels"] = json!({ "a": "b" });
    cluster.insert(held).unwrap();
    cluster.insert(owned("below", &["held"], &[])).unwrap();
    cluster.write(change(Operation::Delete(Propagation::Background))).unwrap();
    assert_eq!(names(&cluster), ["below", "held"]);
    let target = Target::new("v1", "Y", Some("team"), "held");
    assert_eq!(text(cluster.get(&target).unwrap(), "deletionTimestamp"), NOW);
    // Once more changes nothing.
    let delete = Change::new(target.clone(), Operation::Delete(Propagation::Background));
    cluster.write(delete).unwrap();
    assert_eq!(cluster.writes().len(), 1);
    let release = json!({ "metadata": { "finalizers": null } });
    cluster.write(Change::new(target, Operation::Merge(release))).unwrap();
    assert_eq!(names(&cluster), Vec::<&str>::new());
}

#[test]
fn lists_are_filtered_and_ordered() {
    let mut cluster = cluster();
    for (namespace, name, labels) in [
        (Some("team"), "b", json!({ "a": "1" })),
        (Some("team"), "a", json!({ "a": "2" })),
        (Some("other"), "c", json!({ "a": "1" })),
        (None, "d", json!({})),
    ] {
        let mut object = owned(name, if name == "a" { &["u"] } else { &[] }, &[]);
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["labels"] = labels;
        cluster.insert(object).unwrap();
    }
    let filter = |namespace: &str, labels: &str, owned_by: &str| Filter {
        namespace: Some(namespace.to_owned()).filter(|text| !text.is_empty()),
        labels: Selector::parse(labels).unwrap(),
        owned_by: Some(owned_by.to_owned()).filter(|text| !text.is_empty()),
    };
    for (filter, expected) in [
        (filter("", "", ""), &["d", "c", "a", "b"][..]),
        (filter("team", "", ""), &["a", "b"]),
        (filter("", "a=1", ""), &["c", "b"]),
        (filter("team", "a in (1,2)", "u"), &["a"]),
        (filter("nowhere", "", ""), &[]),
    ] {
        let found: Vec<&str> = cluster.list("", "Y", &filter).map(|o| text(o, "name")).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[test]
fn a_uid_means_that_very_object() {
    let mut cluster = cluster();
    let with = |uid: &str| Target { uid: Some(uid.to_owned()), ..target() };
    assert!(cluster.get(&with("u")).is_ok());
    assert_eq!(cluster.get(&with("v")), Err(Error::NotFound));
    // Another version of the group is the same object.
    assert!(cluster.get(&Target { version: "v2".to_owned(), ..target() }).is_ok());
    assert!(cluster.remove(&target()).is_some());
    assert_eq!(cluster.get(&target()), Err(Error::NotFound));
}
