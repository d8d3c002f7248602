//! Tables: what a guest asks for, and what it is told, as by the host.

use joch_core::manifest::{Manifest, MetricKind};
use joch_core::port::Operation;
use joch_fake::Cluster;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::plugin::requests::granted;

const MANIFEST: &str = r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "controller", track = "0.1" }
[[controller]]
name = "c"
primary = { group = "a.io", version = "v1", kind = "A" }
watch = [{ kind = "v1/ConfigMap", by = "owner" }, { kind = "v1/Pod", by = "read", data = "metadata" }]
status = { terminal = ["Gone"] }
[[grant.kube]]
verbs = ["get", "list", "create", "patch", "delete"]
kinds = ["v1/ConfigMap", "v1/Service"]
namespaces = "same"
[grant.jobs]
service-accounts = ["default"]
images = ["busybox"]
profile = "baseline"
max-active = 1
[[grant.secrets]]
names = ["token"]
namespaces = "same"
hosts = ["api.example.com"]
[[grant.http]]
hosts = ["api.example.com"]
methods = ["GET"]
[[metric]]
name = "runs"
kind = "counter"
help = "Runs."
labels = { end = ["good", "bad"] }
[limits]
api-per-reconcile = 6
events = 1
"#;

const NOW: u64 = 1_767_225_600_000;

fn key(kind: &str, name: &str) -> ObjectKey {
    ObjectKey { kind: kind.parse().unwrap(), namespace: Some("team".into()), name: name.into() }
}

fn named(kind: &str, name: &str) -> ObjectRef {
    ObjectRef { key: key(kind, name), uid: None }
}

fn object(api_version: &str, kind: &str, name: &str, more: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": "team", "uid": name}});
    write::put(&mut object, more);
    object
}

fn hands(given: &[Value]) -> Hands {
    hands_of(MANIFEST, given)
}

fn hands_of(manifest: &str, given: &[Value]) -> Hands {
    let manifest = Manifest::parse(manifest).unwrap();
    let primary = object("a.io/v1", "A", "a", json!({"metadata": {"generation": 3}}));
    let mut cluster = Cluster::new("2026-01-01T00:00:00Z");
    for object in std::iter::once(&primary).chain(given) {
        cluster.insert(object.clone()).unwrap();
    }
    let authority = granted(&manifest, true).unwrap();
    let controller = &manifest.controllers[0];
    let setting = Setting::new(&manifest, authority, controller, &key("a.io/v1/A", "a"), &primary);
    Hands::new(setting, World::new(cluster, NOW))
}

fn wait<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

/// What a `get` comes to: the object's keys, or the error.
fn got(hands: &Hands, kind: &str, name: &str, freshness: Freshness) -> String {
    match wait(hands.get(&named(kind, name), freshness)) {
        Ok(json) => {
            let object: Value = serde_json::from_str(&json).unwrap();
            object.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn reads_are_answered_as_the_hosts_cache_would() {
    let pod = object("v1", "Pod", "p", json!({"spec": {}}));
    let map = object("v1", "ConfigMap", "m", json!({"data": {}}));
    let service = object("v1", "Service", "s", json!({"spec": {}}));
    let hands = hands(&[pod, map, service]);
    for (kind, name, freshness, expected) in [
        ("v1/ConfigMap", "m", Freshness::Cached, "apiVersion data kind metadata"),
        ("v1/Pod", "p", Freshness::Confirmed, "apiVersion kind metadata"),
        ("v1/Pod", "p", Freshness::Live, "apiVersion kind metadata spec"),
        ("v1/Service", "s", Freshness::Cached, "the manifest declares no watch on v1/Service"),
        ("v1/Service", "s", Freshness::Live, "apiVersion kind metadata spec"),
        ("v1/ConfigMap", "none", Freshness::Confirmed, "not found"),
    ] {
        assert_eq!(got(&hands, kind, name, freshness), expected, "{kind} {name} {freshness:?}");
    }
    let denied = got(&hands, "v1/Node", "n", Freshness::Live);
    assert!(denied.starts_with("denied: get on v1/Node in namespace team"), "{denied}");
    assert_eq!(hands.world().denied.len(), 1);
}

#[test]
fn queries_select_and_project() {
    let map = |name: &str, label: &str| {
        let labels = json!({"metadata": {"labels": {"l": label}}, "data": {"a": "1", "b": "2"}});
        object("v1", "ConfigMap", name, labels)
    };
    let hands = hands(&[map("x", "1"), map("y", "2")]);
    let all = Query {
        namespace: Some("team".into()),
        fields: vec!["/data/a".into()],
        ..Query::new("v1/ConfigMap".parse().unwrap())
    };
    assert_eq!(wait(hands.count(&all)), Ok(2));
    let one = Query { labels: Some("l=2".into()), ..all.clone() };
    let found = wait(hands.list(&one, Freshness::Cached)).unwrap();
    let [found] = found.as_slice() else { panic!("{found:?}") };
    let found: Value = serde_json::from_str(found).unwrap();
    assert_eq!((&found["metadata"]["name"], &found["data"]), (&json!("y"), &json!({"a": "1"})));
    let wrong = Query { fields: vec!["data".into()], ..all.clone() };
    assert!(matches!(wait(hands.list(&wrong, Freshness::Live)), Err(KubeError::Invalid(_))));
    let everywhere = Query { namespace: None, ..all };
    assert!(matches!(wait(hands.count(&everywhere)), Err(KubeError::Denied { .. })));
}

fn change(kind: &str, name: &str, operation: Operation) -> Change {
    Change {
        target: named(kind, name),
        subresource: None,
        if_version: None,
        force: false,
        owned: false,
        operation,
    }
}

#[test]
fn writes_are_owned_counted_and_bounded() {
    let hands = hands(&[]);
    let apply = || change("v1/ConfigMap", "m", Operation::Apply("{\"data\":{\"a\":\"1\"}}".into()));
    let stored = wait(hands.write(Change { owned: true, ..apply() })).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["metadata"]["ownerReferences"][0]["uid"], "a");
    assert_eq!(hands.world().cluster.writes()[0].manager, "joch/p/c");

    let merge = || change("v1/ConfigMap", "m", Operation::Merge("{\"data\":{\"a\":\"2\"}}".into()));
    let invalid = |change: Change| match wait(hands.write(change)) {
        Err(KubeError::Invalid(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(invalid(Change { owned: true, ..merge() }).contains("owned()"));
    assert!(invalid(change("v1/ConfigMap", "m", Operation::Merge("[]".into()))).contains("object"));
    let delete = |how: &str| change("v1/ConfigMap", "m", Operation::Delete(how.into()));
    assert!(invalid(delete("Later")).contains("\"Later\""));
    let old = Change { if_version: Some("7".into()), ..merge() };
    assert_eq!(wait(hands.write(old)), Err(KubeError::Stale));
    wait(hands.write(merge())).unwrap();
    assert_eq!(wait(hands.write(delete("Background"))).unwrap().as_ref(), "");
    assert_eq!(wait(hands.write(merge())), Err(KubeError::NotFound));
    let create = change("v1/ConfigMap", "n", Operation::Create("{}".into()));
    wait(hands.write(create.clone())).unwrap();
    assert!(matches!(wait(hands.write(create)), Err(KubeError::OverLimit(_))));
}

#[test]
fn an_apply_that_makes_an_object_needs_the_verb_create_too() {
    let there = object("v1", "ConfigMap", "there", json!({"data": {}}));
    let hands = hands_of(&MANIFEST.replace("\"create\", ", ""), &[there]);
    let apply = |name: &str| {
        let apply = Operation::Apply("{\"data\":{\"a\":\"1\"}}".into());
        wait(hands.write(change("v1/ConfigMap", name, apply)))
    };
    assert!(matches!(apply("new"), Err(KubeError::Denied { verb, .. }) if verb == "create"));
    assert!(apply("there").is_ok());
    assert_eq!(hands.world().cluster.writes().len(), 1);
}

#[test]
fn a_status_is_merged_by_the_contract_and_never_leaves_its_end() {
    let hands = hands(&[]);
    let report = |text: &str| wait(hands.report_status(text.to_owned(), None));
    assert_eq!(report(r#"{"phase":"Gone"}"#), Ok(Verdict::Written));
    assert_eq!(report(r#"{"phase":"Gone"}"#), Ok(Verdict::Unchanged));
    assert!(matches!(report(r#"{"phase":"Back"}"#), Ok(Verdict::Superseded(_))));
    assert!(matches!(report(r#"{"conditions":[{}]}"#), Err(KubeError::Invalid(_))));
    let world = hands.world();
    let stored = world.cluster.get(&target(&key("a.io/v1/A", "a"), None)).unwrap();
    let status = &stored["status"];
    assert_eq!(
        (&status["observedGeneration"], &status["finishedAt"]),
        (&json!(3), &status["updatedAt"])
    );
    assert_eq!(status["updatedAt"], "2026-01-01T00:00:00Z");
}

/// A Job that keeps the baseline profile.
fn job(name: &str, image: &str) -> String {
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": pod}}})
    .to_string()
}

#[test]
fn jobs_are_checked_owned_counted_and_never_adopted() {
    let start = |hands: &Hands, name: &str, image: &str| wait(hands.start_job(job(name, image)));
    let foreign = object("batch/v1", "Job", "foreign", json!({}));
    let going = object("batch/v1", "Job", "going", json!({"metadata": {"deletionTimestamp": "x"}}));
    let hands = hands(&[foreign, going]);
    let denied = start(&hands, "j", "nginx").unwrap_err();
    assert!(matches!(denied, StartError::Refused(KubeError::Denied { .. })), "{denied:?}");
    assert!(matches!(start(&hands, "foreign", "busybox"), Err(StartError::NameTaken(_))));
    assert!(matches!(start(&hands, "going", "busybox"), Err(StartError::NameTerminating(_))));
    assert!(matches!(start(&hands, "j", "busybox"), Ok(Started::Created(_))));
    assert!(matches!(start(&hands, "j", "busybox"), Ok(Started::AlreadyRunning(_))));
    assert_eq!(start(&hands, "k", "busybox"), Err(StartError::OverBudget(1)));
    let refused = wait(hands.start_job(r#"{"metadata":{"name":"k"},"spec":{"x":1}}"#.to_owned()));
    assert!(matches!(refused, Err(StartError::Refused(KubeError::Invalid(_)))), "{refused:?}");
}

#[test]
fn events_metrics_secrets_and_requests_have_their_bounds() {
    let secret = object("v1", "Secret", "token", json!({"stringData": {"key": "value"}}));
    let hands = hands(&[secret]);
    let note = Note { warning: false, reason: "Made".into(), message: "made".into() };
    assert_eq!(wait(hands.publish(note.clone())), Ok(()));
    assert!(matches!(wait(hands.publish(note)), Err(KubeError::OverLimit(_))));

    let measure = |metric: &str, end: &str| {
        let labels = vec![("end".to_owned(), end.to_owned())];
        let (metric, kind) = (metric.to_owned(), MetricKind::Counter);
        wait(hands.measure(Measurement { metric, kind, value: 1.0, labels }))
    };
    assert_eq!(measure("runs", "good"), Ok(()));
    assert!(measure("runs", "ugly").is_err() && measure("walks", "good").is_err());

    let read = |name: &str, key: &str, wanted: SecretUse| {
        let secret = SecretRef { namespace: None, name: name.into(), key: key.into() };
        wait(hands.secret(&secret, wanted)).map(|value| value.expose_secret().to_vec())
    };
    assert_eq!(read("token", "key", SecretUse::Placeholder), Ok(b"value".to_vec()));
    assert_eq!(read("token", "none", SecretUse::Placeholder), Err(KubeError::NotFound));
    for (name, wanted) in [("token", SecretUse::Reveal), ("other", SecretUse::Placeholder)] {
        assert!(matches!(read(name, "key", wanted), Err(KubeError::Denied { .. })), "{name}");
    }

    let request = |method: &str| {
        let origin = "https://api.example.com".to_owned();
        wait(hands.authorize(&HttpCall { method: method.to_owned(), origin }))
    };
    assert_eq!(
        request("GET"),
        Err(KubeError::Unavailable(None)),
        "allowed, but there is no network"
    );
    assert!(matches!(request("POST"), Err(KubeError::Denied { .. })));
    assert_eq!(hands.world().denied.len(), 3);
}
