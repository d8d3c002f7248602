//! The controller against a host in memory, and its decision by itself.

use joch_plugin::{Error, Kind, fake::FakeHost};

use super::*;

const GREETING: Kind<Greeting> = Kind::new("hello.joch.dev/v1alpha1", "Greeting");

/// A host with one greeting, `team/ada`.
fn host(spec: &serde_json::Value) -> FakeHost {
    let host = FakeHost::new();
    host.put(GREETING, "team/ada", &json!({ "spec": spec }));
    host
}

#[test]
fn a_greeting_becomes_a_config_map() {
    let host = host(&json!({ "name": "Ada", "language": "de" }));
    assert_eq!(host.reconcile(&Greeter, GREETING, "team/ada"), Ok(Outcome::Done));

    let map = host.find(ConfigMap::KIND, "team/ada-greeting").unwrap();
    assert_eq!(map.data["text"], "Hallo, Ada!");
    assert_eq!(map.metadata.controller().unwrap().name, "ada");
    let status = host.status(GREETING, "team/ada");
    assert_eq!(
        (&status["phase"], &status["configMapName"]),
        (&json!("Ready"), &json!("ada-greeting"))
    );

    // Nothing has changed, so nothing is written.
    host.forget();
    assert_eq!(host.reconcile(&Greeter, GREETING, "team/ada"), Ok(Outcome::Done));
    assert_eq!(host.wrote(), [""; 0]);
}

#[test]
fn without_the_grant_nothing_is_written_and_the_failure_names_it() {
    let host = host(&json!({ "name": "Ada" }));
    host.deny("create", "v1/ConfigMap");
    let failure = host.reconcile(&Greeter, GREETING, "team/ada").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Denied: create ConfigMap team/ada-greeting is not granted; missing: create on v1/ConfigMap"
    );
    assert!(failure.is_permanent());
    assert_eq!(host.wrote(), [""; 0]);
}

#[test]
fn an_outage_is_waited_out() {
    let host = host(&json!({ "name": "Ada" }));
    host.fail("patch", "v1/ConfigMap", Error::Unavailable(None));
    assert!(!host.reconcile(&Greeter, GREETING, "team/ada").unwrap_err().is_permanent());
    assert_eq!(host.reconcile(&Greeter, GREETING, "team/ada"), Ok(Outcome::Done));
}

#[test]
fn a_greeting_of_another_shape_is_refused_with_the_place() {
    let host = host(&json!({ "name": ["Ada"] }));
    let failure = host.reconcile(&Greeter, GREETING, "team/ada").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "InvalidObject: Greeting team/ada: /spec/name: invalid type: sequence, expected a string"
    );
}

#[test]
fn it_greets_in_the_language_asked_for_or_in_english() {
    for (language, expected) in [
        ("de", "Hallo, Ada!"),
        ("fr", "Bonjour, Ada!"),
        ("", "Hello, Ada!"),
        ("tlh", "Hello, Ada!"),
    ] {
        let spec = Spec { name: "Ada".to_owned(), language: language.to_owned() };
        assert_eq!(greet(&spec), expected);
    }
}
