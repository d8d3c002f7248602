//! `joch plugin check`.

use std::path::Path;

use crate::project::project;
use crate::run::{Place, Ran};

/// The project's component under a manifest that is changed as told.
fn changed(from: &str, to: &str) -> Place {
    let place = Place::new();
    let manifest = project().text("plugin.toml");
    assert!(manifest.contains(from), "{manifest}");
    place.write("plugin.toml", manifest.replace(from, to));
    place.write("component.wasm", project().component());
    place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    place
}

/// Each check with its result, and the detail of the one that failed.
fn results(ran: &Ran) -> (Vec<(String, String)>, String) {
    let mut failed = String::new();
    let mut list = Vec::new();
    for line in ran.stdout.lines() {
        let mut words = line.split_whitespace();
        let (result, check) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        if result == "failed" {
            failed = words.collect::<Vec<_>>().join(" ");
        }
        list.push((check, result));
    }
    (list, failed)
}

#[track_caller]
fn fails(ran: &Ran, check: &str, part: &str) {
    let (list, detail) = results(ran);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(list.contains(&(check.to_owned(), "failed".to_owned())), "{ran:?}");
    assert!(detail.contains(part), "{part:?} is not in {detail:?}");
}

const NOTHING: (&str, &str) = ("manifest = 1", "manifest = 1");

#[test]
fn a_good_plugin_passes_every_check() {
    let project = project();
    let grants = project.path().join("grants.toml");
    let place = changed(NOTHING.0, NOTHING.1);
    let ran = place.joch(&["plugin", "check", "p.wasm", "--grants", grants.to_str().unwrap()]);
    let (list, _) = results(&ran);
    let checks: Vec<&str> = list.iter().map(|(check, _)| check.as_str()).collect();
    assert_eq!(
        checks,
        ["package", "manifest", "track", "authority", "compile", "interfaces", "trial"]
    );
    assert!(list.iter().all(|(_, result)| result == "ok"), "{ran:?}");
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("all that it asks for is granted"), "{ran:?}");
}

#[test]
fn for_programs_there_is_json() {
    let place = changed("\"0.1\"", "\"9.9\"");
    let ran = place.joch(&["plugin", "check", "p.wasm", "-o", "json"]);
    assert_eq!(ran.code, 1);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json[0]["result"], "ok");
    assert_eq!(json[2]["check"], "track");
    assert_eq!(json[2]["result"], "failed");
}

#[test]
fn what_does_not_go_on_after_a_failure_is_named_as_skipped() {
    let place = Place::new();
    place.write("core.wasm", wat::parse_str("(module)").unwrap());
    let ran = place.joch(&["plugin", "check", "core.wasm"]);
    fails(&ran, "package", "core module, not a component");
    let skipped = results(&ran).0.into_iter().filter(|(_, result)| result == "skipped").count();
    assert_eq!(skipped, 6, "{ran:?}");
}

#[test]
fn each_check_fails_for_its_own_reason() {
    let place = changed("\"0.1\"", "\"9.9\"");
    fails(&place.joch(&["plugin", "check", "p.wasm"]), "track", "track \"9.9\" of the interfaces");

    let small = "[limits]\nmemory = \"64Ki\"\n\n[[grant.kube]]";
    let place = changed("[[grant.kube]]", small);
    let ran = place.joch(&["plugin", "check", "p.wasm"]);
    fails(
        &ran,
        "trial",
        "cannot be instantiated: the guest wanted more than its limit of 65536 bytes",
    );

    let place = changed(NOTHING.0, NOTHING.1);
    place.write("grants.toml", "grants = 1\n");
    let ran = place.joch(&["plugin", "check", "p.wasm", "--grants", "grants.toml"]);
    fails(&ran, "authority", "create on v1/ConfigMap");

    let bare = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#;
    place.write("component.wasm", wat::parse_str(bare).unwrap());
    place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    let ran = place.joch(&["plugin", "check", "p.wasm"]);
    fails(
        &ran,
        "interfaces",
        "the component imports `wasi:sockets/tcp@0.2.0`, which no plugin is given",
    );

    place.write("component.wasm", wat::parse_str("(component)").unwrap());
    place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    let ran = place.joch(&["plugin", "check", "p.wasm"]);
    fails(&ran, "interfaces", "does not export `joch:controller/reconciler@0.1.0`");
}

#[test]
fn a_finalizer_in_the_manifest_demands_the_export() {
    let manifest = "[[controller]]\nfinalizer = \"example.com/clean-up\"";
    let place = changed("[[controller]]", manifest);
    let ran = place.joch(&["plugin", "check", "p.wasm"]);
    assert_eq!(ran.code, 0, "{ran:?}");

    // A component that exports no finalizer.
    let archived = "../tests/fixtures/abi/0.1.0/c-controller.wasm";
    let without = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(archived)).unwrap();
    place.write("component.wasm", without);
    place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    let ran = place.joch(&["plugin", "check", "p.wasm"]);
    fails(&ran, "interfaces", "does not export `joch:controller/finalizer@0.1.0`");
    place.write("plugin.toml", project().text("plugin.toml"));
    place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    assert_eq!(place.joch(&["plugin", "check", "p.wasm"]).code, 0);
}

#[test]
fn dangerous_requests_are_named_and_forbidden_ones_fail() {
    let kinds = "kinds = [\"v1/ConfigMap\"]";
    let place = changed(kinds, "kinds = [\"v1/ConfigMap\", \"v1/Secret\"]");
    let ran = place.joch(&["plugin", "check", "p.wasm"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("granted with `dangerous = true` only: "), "{ran:?}");
    assert!(ran.stdout.contains("create on v1/Secret"), "{ran:?}");
    let requested = "grants = 1\n[plugins.\"*\"]\nallow = \"requested\"\n";
    place.write("grants.toml", requested);
    let ran = place.joch(&["plugin", "check", "p.wasm", "--grants", "grants.toml"]);
    fails(&ran, "authority", "create on v1/Secret");
    place.write("grants.toml", format!("{requested}dangerous = true\n"));
    let ran = place.joch(&["plugin", "check", "p.wasm", "--grants", "grants.toml"]);
    assert_eq!(ran.code, 0, "{ran:?}");

    let place = changed(kinds, "kinds = [\"joch.dev/v1alpha1/Plugin\"]");
    let ran = place.joch(&["plugin", "check", "p.wasm"]);
    fails(&ran, "authority", "which no plugin is ever granted");
}

#[test]
fn a_grants_file_that_is_none_is_an_error() {
    let place = changed(NOTHING.0, NOTHING.1);
    place.write("grants.toml", "grant = 1\n");
    let ran = place.joch(&["plugin", "check", "p.wasm", "--grants", "grants.toml"]);
    assert!(ran.stderr.starts_with("error: grants.toml: it is no grants file: "), "{ran:?}");
    let error = place.joch(&["plugin", "check", "p.wasm", "--grants", "none.toml"]).error();
    assert!(error.starts_with("none.toml cannot be read: "), "{error}");
    let error = place.joch(&["plugin", "check", "none.wasm"]).error();
    assert!(error.starts_with("none.wasm cannot be read: "), "{error}");
}
