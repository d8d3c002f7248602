//! The fake host, seen by controllers that try one thing each.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{
    Condition, ConfigMap, Freshness, Job, Level, ObjectHead, Severity, StartError, Started, Verdict,
};

const X: Kind<Value> = Kind::new("example.joch.dev/v1", "X");

/// Tries one thing.
struct Try<F>(F);

impl<F: Fn(&Context) -> Result<(), Failure>> Controller for Try<F> {
    type Object = Value;

    fn reconcile(&self, cx: &Context, _: Value) -> Result<Outcome, Failure> {
        (self.0)(cx).map(|()| Outcome::Done)
    }

    fn finalize(&self, cx: &Context, object: Value) -> Result<Outcome, Failure> {
        self.reconcile(cx, object)?;
        Ok(Outcome::after_secs(1))
    }
}

/// A host with the object `team/x`.
fn host() -> FakeHost {
    let host = FakeHost::new();
    host.put(X, "team/x", &json!({ "metadata": { "uid": "u" }, "spec": {} }));
    host
}

/// Lets a controller of `team/x` try something; how it fails is the answer.
#[track_caller]
fn check(host: &FakeHost, body: impl Fn(&Context) -> Result<(), Failure>) {
    assert_eq!(host.reconcile(&Try(body), X, "team/x"), Ok(Outcome::Done));
}

#[test]
fn a_call_is_what_the_test_says() {
    let host = host();
    host.at(Timestamp::from_unix_ms(7000)).attempt(3).config(&json!({ "a": 1 }));
    check(&host, |cx| {
        assert_eq!((cx.name(), cx.namespace(), cx.uid()), ("x", Some("team"), "u"));
        assert_eq!((cx.now().unix_ms(), cx.attempt()), (7000, 3));
        assert_eq!(cx.config::<Value>()?, json!({ "a": 1 }));
        assert!(cx.object_json().contains("example.joch.dev/v1"));
        let owner = json!({ "apiVersion": "example.joch.dev/v1", "kind": "X", "name": "x", "uid": "u",
            "controller": true });
        assert_eq!(serde_json::to_value(cx.owner_reference()).unwrap(), owner);
        Ok(())
    });
    assert_eq!(host.finalize(&Try(|_: &Context| Ok(())), X, "team/x"), Ok(Outcome::after_secs(1)));
}

#[test]
fn objects_are_read_by_name_and_uid() {
    let host = host();
    host.put(
        ConfigMap::KIND,
        "team/a",
        &json!({ "metadata": { "uid": "1" }, "data": { "k": "v" } }),
    );
    host.put(ConfigMap::KIND, "other/a", &json!({}));
    check(&host, |cx| {
        assert_eq!(cx.get(ConfigMap::KIND, "a")?.data["k"], "v");
        assert_eq!(cx.find(ConfigMap::KIND, "b")?, None);
        let read = || cx.read(ConfigMap::KIND, "a").fresh(Freshness::Live);
        assert!(read().in_namespace("other").find()?.is_some());
        assert!(read().uid("1").find()?.is_some());
        assert!(read().uid("2").find()?.is_none());
        let missing = cx.get(ConfigMap::KIND, "b").unwrap_err();
        assert_eq!(missing.to_string(), "ConfigMap team/b not found");
        Ok(())
    });
}

#[test]
fn queries_narrow_and_project() {
    let host = host();
    for (name, owner, label) in [("team/a", "u", "1"), ("team/b", "v", "1"), ("other/c", "u", "2")]
    {
        let owner = json!({ "apiVersion": "x/v1", "kind": "X", "name": "x", "uid": owner });
        let meta = json!({ "labels": { "l": label }, "ownerReferences": [owner] });
        let data = json!({ "k": "v", "l": "w" });
        host.put(ConfigMap::KIND, name, &json!({ "metadata": meta, "data": data }));
    }
    let names = |maps: &[ConfigMap]| {
        maps.iter().map(|map| map.metadata.name.clone()).collect::<Vec<_>>().join(" ")
    };
    check(&host, |cx| {
        let query = || cx.query(ConfigMap::KIND);
        assert_eq!(names(&query().list()?), "a b");
        assert_eq!(names(&query().owned().list()?), "a");
        assert_eq!(names(&query().all_namespaces().labels("l in (2)").list()?), "c");
        assert_eq!(query().all_namespaces().count()?, 3);
        let part = query().owned().fields(["/data/k"]).list()?;
        assert_eq!(serde_json::to_value(&part[0].data).unwrap(), json!({ "k": "v" }));
        let heads: Vec<ObjectHead> = query().owned().metadata_only().list()?;
        assert_eq!((&*heads[0].kind, &*heads[0].metadata.name), ("ConfigMap", "a"));
        assert!(matches!(query().labels("=").count(), Err(Error::Invalid(_))));
        Ok(())
    });
    for number in 0..250 {
        host.put(ConfigMap::KIND, &format!("many/{number}"), &json!({}));
    }
    check(&host, |cx| {
        assert_eq!(cx.query(ConfigMap::KIND).in_namespace("many").list()?.len(), 250);
        Ok(())
    });
}

#[test]
fn writes_are_checked_owned_and_recorded() {
    let host = host();
    host.put(ConfigMap::KIND, "team/old", &json!({ "data": { "a": "1" } }));
    check(&host, |cx| {
        let change = |name| cx.change(ConfigMap::KIND, name);
        let body = json!({ "data": { "k": "v" } });
        let stored = change("new").owned().apply(&body)?.object()?;
        assert!(stored.metadata.is_controlled_by("u"));
        assert!(matches!(change("new").create(&body), Err(Error::AlreadyExists(_))));
        assert_eq!(change("old").if_version("0").merge(&body).unwrap_err(), Error::Stale);
        assert_eq!(change("old").uid("0").merge(&body).unwrap_err(), Error::Stale);
        assert!(change("none").merge(&body).unwrap_err().is_not_found());
        assert!(matches!(change("old").owned().merge(&body), Err(Error::Invalid(_))));
        change("old").json_patch(&json!([{ "op": "remove", "path": "/data/a" }]))?;
        assert!(change("old").delete(crate::Propagation::Background)?);
        assert!(!change("old").delete(crate::Propagation::Background)?);
        let status = cx.change(X, "x").subresource("status").merge(&json!({ "status": {} }));
        assert!(matches!(status, Err(Error::Invalid(_))));
        Ok(())
    });
    let expected =
        ["apply ConfigMap team/new", "json-patch ConfigMap team/old", "delete ConfigMap team/old"];
    assert_eq!(host.wrote(), expected);
    assert_eq!(host.writes()[0].body["data"], json!({ "k": "v" }));
    host.forget();
    assert_eq!(host.wrote(), [""; 0]);
}

#[test]
fn what_is_denied_is_not_done() {
    let host = host();
    host.deny("create", "v1/ConfigMap").deny("list", "v1/ConfigMap").deny("create", "batch/v1/Job");
    host.deny("patch", "example.joch.dev/v1/X/status").deny("reveal", "v1/Secret");
    host.put(ConfigMap::KIND, "team/there", &json!({}));
    host.secret("team/s", "k", "v");
    check(&host, |cx| {
        let denied = |error: Error| matches!(error, Error::Denied(_));
        let change = |name| cx.change(ConfigMap::KIND, name);
        let error = change("new").apply(&json!({})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "create ConfigMap team/new is not granted; missing: create on v1/ConfigMap"
        );
        assert!(denied(change("new").create(&json!({})).unwrap_err()));
        let status = change("new").subresource("status").apply(&json!({ "status": {} }));
        assert!(matches!(status, Err(Error::NotFound(_))), "it makes no object: {status:?}");
        change("there").apply(&json!({ "data": { "k": "v" } }))?;
        cx.get(ConfigMap::KIND, "there")?;
        assert!(denied(cx.query(ConfigMap::KIND).count().unwrap_err()));
        let refused = cx.start_job(&json!({ "metadata": { "name": "j" } })).unwrap_err();
        assert!(matches!(refused, StartError::Refused(Error::Denied(_))));
        assert!(denied(cx.report_status(&json!({})).unwrap_err()));
        assert!(denied(cx.secret("s", "k").reveal().unwrap_err()));
        cx.secret("s", "k").placeholder()?;
        Ok(())
    });
    assert_eq!(host.wrote(), ["apply ConfigMap team/there"]);
    assert_eq!(host.jobs(), [Value::Null; 0]);
}

#[test]
fn a_call_fails_once_as_the_test_says() {
    for error in [
        Error::Unavailable(Some(Duration::from_millis(1500))),
        Error::Stale,
        Error::OverLimit("api-per-reconcile".to_owned()),
        Error::Fenced,
        Error::NotWatched("v1/ConfigMap".to_owned()),
    ] {
        let host = host();
        host.fail("patch", "v1/ConfigMap", error.clone());
        check(&host, |cx| {
            let apply = || cx.change(ConfigMap::KIND, "m").apply(&json!({}));
            assert_eq!(apply().unwrap_err(), error);
            apply()?;
            Ok(())
        });
    }
}

#[test]
fn jobs_are_started_once_owned_and_never_adopted() {
    let host = host();
    host.put(Job::KIND, "team/foreign", &json!({}));
    let going = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"] });
    host.put(Job::KIND, "team/going", &json!({ "metadata": going }));
    host.max_jobs(3);
    let job = |name: &str| json!({ "metadata": { "name": name }, "spec": {} });
    check(&host, |cx| {
        let Started::Created(created) = cx.start_job(&job("new"))? else { panic!("not created") };
        let found = cx.get(Job::KIND, "new")?;
        assert_eq!(created.uid.as_deref(), Some(&*found.metadata.uid));
        assert!(found.metadata.is_controlled_by("u"));
        assert_eq!(cx.start_job(&job("new"))?, Started::AlreadyRunning(created));
        assert!(matches!(cx.start_job(&job("foreign")), Err(StartError::NameTaken(_))));
        assert!(matches!(cx.start_job(&job("going")), Err(StartError::NameTerminating(_))));
        assert_eq!(cx.start_job(&job("more")), Err(StartError::OverBudget(3)));
        assert!(matches!(cx.start_job(&job("")), Err(StartError::Refused(Error::Invalid(_)))));
        Ok(())
    });
    assert_eq!(host.jobs().len(), 1);
    assert_eq!(host.jobs()[0]["metadata"]["name"], "new");
    let complete = json!([{ "type": "Complete", "status": "True" }]);
    host.patch(Job::KIND, "team/new", &json!({ "status": { "conditions": complete } }));
    check(&host, |cx| {
        assert!(matches!(cx.start_job(&job("more"))?, Started::Created(_)));
        Ok(())
    });
    // What somebody else did is no write of the controller's.
    assert_eq!(host.wrote(), ["create Job team/new", "create Job team/more"]);
}

#[test]
fn a_status_is_merged_and_its_conditions_by_type() {
    let host = host();
    let stalled = json!({ "type": "Stalled", "status": "True", "lastTransitionTime": "t" });
    host.patch(
        X,
        "team/x",
        &json!({ "status": { "kept": 1, "gone": 2, "conditions": [stalled] } }),
    );
    let report = json!({
        "phase": "Ready", "gone": null,
        "conditions": [Condition::ready(true, "A", "a"), Condition::new("Stalled", false, "B", "b")],
    });
    check(&host, |cx| {
        assert_eq!(cx.report_status(&report)?, Verdict::Written);
        assert_eq!(cx.report_status(&report)?, Verdict::Unchanged);
        let odd =
            cx.report_status(&json!({ "conditions": [{ "type": "Ready", "status": "Yes" }] }));
        assert!(matches!(odd, Err(Error::Invalid(_))), "{odd:?}");
        Ok(())
    });
    let expected = json!({ "kept": 1, "phase": "Ready", "conditions": [
        { "type": "Stalled", "status": "False", "reason": "B", "message": "b", "lastTransitionTime": "t" },
        { "type": "Ready", "status": "True", "reason": "A", "message": "a" },
    ] });
    assert_eq!(host.status(X, "team/x"), expected);
    assert_eq!(host.wrote(), ["merge X team/x/status"]);
    check(&host, |cx| {
        host.delete(X, "team/x");
        assert!(matches!(cx.report_status(&json!({ "a": 1 }))?, Verdict::Superseded(_)));
        Ok(())
    });
}

#[test]
fn events_lines_metrics_and_secrets_are_recorded() {
    let host = host();
    host.secret("team/s", "k", "hush").secret("other/s", "k", "psst");
    check(&host, |cx| {
        cx.event(Severity::Warning, "Slow", "it takes long");
        cx.event(Severity::Normal, "two words", "not a word");
        cx.info("started", &[("job", &"j")]);
        cx.counter("starts_total").label("kind", "job").add(2.0);
        cx.gauge("depth").set(-1.0);
        cx.histogram("seconds").observe(0.5);
        cx.counter("starts_total").add(-1.0);
        let placeholder = cx.secret("s", "k").placeholder()?;
        assert!(!placeholder.contains("hush"));
        assert_eq!(cx.secret("s", "k").in_namespace("other").reveal()?, "psst");
        let missing = cx.secret("s", "l").reveal().unwrap_err();
        assert_eq!(missing.to_string(), "Secret team/s not found");
        Ok(())
    });
    let [event] = &*host.events() else { panic!("one event expected: {:?}", host.events()) };
    assert_eq!((event.severity, &*event.reason), (Severity::Warning, "Slow"));
    let lines: Vec<_> =
        host.lines().iter().map(|line| (line.level, line.message.clone())).collect();
    let warning = |text: &str| (Level::Warn, text.to_owned());
    let started = (Level::Info, "started".to_owned());
    assert_eq!(lines, [warning("event refused"), started, warning("metric refused")]);
    let values: Vec<f64> = host.measurements().iter().map(|measured| measured.value).collect();
    assert_eq!(values, [2.0, -1.0, 0.5]);
    assert_eq!(host.measurements()[0].labels, [("kind".to_owned(), "job".to_owned())]);
    let uses: Vec<_> = host.secrets().iter().map(|u| (u.secret.clone(), u.revealed)).collect();
    assert_eq!(uses, [("team/s".to_owned(), false), ("other/s".to_owned(), true)]);
}

#[test]
#[should_panic(expected = "X team/y is not there: put it there first")]
fn an_object_that_is_not_there_is_a_mistake_in_the_test() {
    check_of(&host(), "team/y");
}

#[test]
#[should_panic(expected = "\"x\" has to be `namespace/name`")]
fn a_name_without_namespace_is_a_mistake_in_the_test() {
    check_of(&host(), "x");
}

#[test]
#[should_panic(expected = "\"write\" on \"v1/ConfigMap\"")]
fn an_unknown_verb_is_a_mistake_in_the_test() {
    host().deny("write", "v1/ConfigMap");
}

fn check_of(host: &FakeHost, name: &str) {
    host.reconcile(&Try(|_: &Context| Ok(())), X, name).unwrap();
}
