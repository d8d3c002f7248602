//! `joch plugin test`: the built component in worlds of cases.

use crate::project::{project, puppet};
use crate::run::{Place, Ran};

/// A place with the project's component under a manifest that is changed as told, and one case file.
fn place(case: &str, change: (&str, &str)) -> Place {
    let place = Place::new();
    let manifest = project().text("plugin.toml");
    assert!(manifest.contains(change.0), "{manifest}");
    place.write("plugin.toml", manifest.replace(change.0, change.1));
    place.write("component.wasm", project().component());
    place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    place.write("cases/case.yaml", case);
    place
}

const UNCHANGED: (&str, &str) = ("manifest = 1", "manifest = 1");

const GIVEN: &str = "\
given:
  - apiVersion: example.com/v1alpha1
    kind: Banner
    metadata: { name: a, namespace: team, generation: 4 }
    spec: { message: Hello }
";
const ASKED: &str = "reconcile: { kind: example.com/v1alpha1/Banner, namespace: team, name: a }\n";

fn try_case(case: &str) -> Ran {
    place(case, UNCHANGED).joch(&["plugin", "test", "p.wasm"])
}

#[test]
fn the_templates_own_case_passes() {
    let ran = {
        let place = Place::new();
        let project = project().path();
        let (file, cases) = (project.join("dist/banner.wasm"), project.join("cases"));
        place.joch(&["plugin", "test", file.to_str().unwrap(), cases.to_str().unwrap()])
    };
    let said = ran.good();
    assert!(said.starts_with("ok ") && said.contains("the ConfigMap has the message"), "{said}");
}

#[test]
fn a_difference_is_shown_with_its_place_and_both_sides() {
    let case = format!(
        "name: wrong\n{GIVEN}{ASKED}expect:\n  outcome: {{ requeue-after: 30s }}\n  status: {{ phase: Waiting }}\n\
         \x20 objects:\n  - apiVersion: v1\n    kind: ConfigMap\n    metadata: {{ name: b, namespace: team }}\n\
         \x20 jobs: [{{ metadata: {{ name: j, namespace: team }} }}]\n  events: [{{ reason: Made }}]\n\
         \x20 denied: [get on v1/Secret]\n  log: [made it]\n"
    );
    let ran = try_case(&case);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stdout.replace("\\n", "\n"));
}

#[test]
fn what_is_not_expected_is_not_checked_but_failures_are() {
    let case = format!("{GIVEN}{ASKED}");
    let said = try_case(&case).good();
    assert_eq!(said, "ok      cases/case.yaml: case 1\n");
    let ran = try_case(&case.replace("message: Hello", "massage: Hello"));
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("reason: InvalidObject"), "{ran:?}");
    let expected = "expect: { outcome: { permanent: { reason: InvalidObject } }, objects: [] }\n";
    let case = case.replace("message: Hello", "massage: Hello") + expected;
    assert_eq!(try_case(&case).code, 0);
}

#[test]
fn the_status_contract_and_the_time_of_the_case_hold() {
    let case = format!(
        "now: 2030-02-03T04:05:06Z\n{GIVEN}{ASKED}expect:\n  status:\n    observedGeneration: 4\n\
         \x20   updatedAt: 2030-02-03T04:05:06Z\n    conditions:\n      - lastTransitionTime: 2030-02-03T04:05:06Z\n\
         \x20 objects:\n    - apiVersion: v1\n      kind: ConfigMap\n      metadata:\n        name: a-banner\n        namespace: team\n\
         \x20       ownerReferences: [{{ name: a, kind: Banner, controller: true }}]\n"
    );
    let ran = try_case(&case);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_settled_object_writes_nothing() {
    let blessed = place(&format!("{GIVEN}{ASKED}"), UNCHANGED);
    blessed.joch(&["plugin", "test", "p.wasm"]).good();
    let settled = format!(
        "{GIVEN}    status:\n      phase: Ready\n      configMapName: a-banner\n      observedGeneration: 4\n\
         \x20     conditions:\n        - {{ type: Ready, status: 'True', reason: Written, observedGeneration: 4,\n\
         \x20           message: the ConfigMap has the message, lastTransitionTime: 2025-01-01T00:00:00Z }}\n\
         \x20 - apiVersion: v1\n    kind: ConfigMap\n    metadata:\n      name: a-banner\n      namespace: team\n\
         \x20     ownerReferences: [{{ apiVersion: example.com/v1alpha1, kind: Banner, name: a, uid: u, controller: true }}]\n\
         \x20   data: {{ message: Hello }}\n{ASKED}expect: {{ outcome: done, objects: [], status: {{ updatedAt: null }} }}\n"
    )
    .replace("generation: 4 }", "generation: 4, uid: u }");
    let ran = try_case(&settled);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_call_that_the_manifest_does_not_ask_for_is_denied() {
    let case = format!("{GIVEN}{ASKED}");
    let verbs = ("\"create\", \"patch\"", "\"create\"");
    let place = place(&case, verbs);
    let ran = place.joch(&["plugin", "test", "p.wasm"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("+ patch on v1/ConfigMap in namespace team (not requested"),
        "{ran:?}"
    );
    let expected = "expect: { outcome: { permanent: {} }, denied: [patch on v1/ConfigMap] }\n";
    place.write("cases/case.yaml", case + expected);
    let ran = place.joch(&["plugin", "test", "p.wasm"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn the_limits_of_the_manifest_hold() {
    let case = format!("{GIVEN}{ASKED}expect: {{ outcome: done }}\n");
    let limit = ("[[grant.kube]]", "[limits]\napi-per-reconcile = 1\n\n[[grant.kube]]");
    let ran = place(&case, limit).joch(&["plugin", "test", "p.wasm"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("1 calls to the API server per reconcile"), "{ran:?}");
    let limit = ("[[grant.kube]]", "[limits]\nmemory = \"64Ki\"\n\n[[grant.kube]]");
    let ran = place(&case, limit).joch(&["plugin", "test", "p.wasm"]);
    assert!(ran.code == 1 && ran.stdout.contains("by: MemoryLimit"), "{ran:?}");
}

const DELETED: &str = "\
given:
  - apiVersion: test.joch.dev/v1alpha1
    kind: Puppet
    metadata:
      name: p
      namespace: team
      deletionTimestamp: 2026-01-01T00:00:00Z
      finalizers: [test.joch.dev/clean-up]
    spec:
      script: [{ fail: { permanent: true, reason: Wrong, message: reconciled } }]
      finalize:
        - delete: { kind: v1/ConfigMap, name: rest }
        - log: { level: warn, message: swept, fields: { left: '0' } }
        - log: { level: debug, message: in passing }
        - requeue: 1500
  - apiVersion: v1
    kind: ConfigMap
    metadata: { name: rest, namespace: team }
";
const FINALIZE: &str =
    "finalize: { kind: test.joch.dev/v1alpha1/Puppet, namespace: team, name: p }\n";

fn try_puppet(case: &str) -> Ran {
    let (component, manifest) = puppet();
    let place = Place::new();
    let finalizer = "[[controller]]\nfinalizer = \"test.joch.dev/clean-up\"";
    place.write("plugin.toml", manifest.replacen("[[controller]]", finalizer, 1));
    place.write("component.wasm", component);
    place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    place.write("cases/case.yaml", case);
    place.joch(&["plugin", "test", "p.wasm"])
}

#[test]
fn a_case_may_finalize() {
    let expected = "expect:\n  outcome: { requeue-after: 1.5s }\n  objects: []\n\
        \x20 deleted: [{ kind: v1/ConfigMap, namespace: team, name: rest }]\n";
    let ran = try_puppet(&format!("{DELETED}{FINALIZE}{expected}"));
    assert_eq!(ran.code, 0, "{ran:?}");

    // The other function of the same guest, for the same object.
    let reconcile = FINALIZE.replace("finalize", "reconcile");
    let ran = try_puppet(&format!("{DELETED}{reconcile}{expected}"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("\"finalize\":false"), "{ran:?}");
    let other = FINALIZE.replace("Puppet", "Doll");
    let given = DELETED.replace("kind: Puppet", "kind: Doll");
    let error = try_puppet(&format!("{given}{other}")).error();
    assert!(error.contains("gives the controller doll no finalizer"), "{error}");
}

#[test]
fn what_is_logged_is_compared_line_by_line() {
    let log = |lines: &str| try_puppet(&format!("{DELETED}{FINALIZE}expect:\n  log: {lines}\n"));
    let ran = log("[in passing, 'warn swept left=\"0\"', '\"finalize\":true']");
    assert_eq!(ran.code, 0, "a part of a line each, in any order: {ran:?}");
    let ran = log("[swept, error swept]");
    assert_eq!(ran.code, 1, "{ran:?}");
    let told: Vec<&str> = ran.stdout.lines().map(str::trim).collect();
    let place = told.iter().position(|line| line.starts_with("log")).unwrap();
    assert_eq!(told[place + 1], "- error swept", "{ran:?}");
    assert!(!told.contains(&"- swept"), "{ran:?}");
    assert!(told.contains(&"logged: warn swept left=\"0\""), "{ran:?}");
}

#[test]
fn blessing_writes_what_is_observed_and_then_it_passes() {
    let case = format!(
        "# Kept.\nname: blessed\n{GIVEN}{ASKED}expect:\n  outcome: wrong\n---\n{GIVEN}{ASKED}"
    );
    let place = place(&case, UNCHANGED);
    let said = place.joch(&["plugin", "test", "p.wasm", "--bless"]).good();
    let results: Vec<&str> = said.lines().map(|l| l.split_whitespace().next().unwrap()).collect();
    assert_eq!(results, ["blessed", "ok"], "{said}");
    insta::assert_snapshot!(place.read("cases/case.yaml"));
    let said = place.joch(&["plugin", "test", "p.wasm"]).good();
    assert!(said.lines().all(|line| line.starts_with("ok ")), "{said}");
}

#[test]
fn for_programs_there_is_json() {
    let place = place(&format!("{GIVEN}{ASKED}expect: {{ outcome: wrong }}\n"), UNCHANGED);
    let ran = place.joch(&["plugin", "test", "p.wasm", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &json[0]["result"]), (1, &"failed".into()));
    assert_eq!(json[0]["differences"][0]["at"], "outcome");
}

#[test]
fn a_case_that_makes_no_sense_is_an_error_that_names_it() {
    for (case, sentence) in [
        (GIVEN.to_owned(), "names either the object to reconcile, or the one to finalize"),
        (
            format!("{GIVEN}{ASKED}").replace("name: a }", "name: b }"),
            "Banner team/b is not among the objects",
        ),
        (
            format!("{GIVEN}{ASKED}").replace("v1alpha1/Banner,", "v1alpha1/Other,"),
            "the plugin does not reconcile example.com/v1alpha1/Other, only example.com/v1alpha1/Banner",
        ),
        (format!("{GIVEN}{ASKED}now: today\n"), "now: \"today\" is no time"),
        (format!("given: [{{ kind: Banner }}]\n{ASKED}"), "given[0]: an object needs /apiVersion"),
        (
            format!("{GIVEN}{ASKED}").replace("reconcile", "finalize"),
            "finalize: the manifest gives the controller banner no finalizer",
        ),
        (format!("{GIVEN}{ASKED}exepct: x\n"), "case 1 is not valid: "),
    ] {
        let error = try_case(&case).error();
        assert!(
            error.starts_with("cases/case.yaml: ") && error.contains(sentence),
            "{sentence}: {error}"
        );
    }
}

#[test]
fn missing_files_are_named() {
    let place = place("", UNCHANGED);
    let error = place.joch(&["plugin", "test", "p.wasm"]).error();
    assert_eq!(error, "cases/case.yaml: there is no case in it");
    let error = place.joch(&["plugin", "test", "p.wasm", "none.yaml"]).error();
    assert!(error.starts_with("none.yaml cannot be read: "), "{error}");
    std::fs::create_dir(place.path().join("empty")).unwrap();
    let error = place.joch(&["plugin", "test", "p.wasm", "empty"]).error();
    assert_eq!(error, "the folder empty has no case file (*.yaml)");
    let error = place.joch(&["plugin", "test", "none.wasm"]).error();
    assert!(error.starts_with("none.wasm cannot be read: "), "{error}");
}
