//! The definitions in the folder are those that the types give; `UPDATE=1` rewrites them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail like tests"
)]

use std::{env, fs, path::PathBuf};

use serde_norway::Value;

fn definitions() -> Vec<(String, String)> {
    joch_crds::generate::all().expect("definitions are YAML")
}

/// Of the checkout that runs the test, which may share its target folder with another.
fn folder() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the test").into()
}

#[test]
fn committed_definitions_are_up_to_date() {
    let folder = folder();
    let update = env::var_os("UPDATE").is_some();
    for (name, text) in definitions() {
        let path = folder.join(&name);
        if update {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{name} is out of date: run UPDATE=1 cargo test -p joch-crds");
    }
}

#[test]
fn no_definition_is_left_over() {
    let known: Vec<_> = definitions().into_iter().map(|(name, _)| name).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".yaml") || known.contains(&name), "{name} belongs to no kind");
    }
}

/// What the API server refuses in a structural schema, or what would change objects by surprise.
#[test]
fn schemas_are_structural() {
    for (name, text) in definitions() {
        let yaml: Value = serde_norway::from_str(&text).unwrap();
        let schema = &yaml["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        check(&name, schema);
    }
}

fn check(path: &str, schema: &Value) {
    let map = schema.as_mapping().unwrap_or_else(|| panic!("{path}: not a schema"));
    for forbidden in ["$ref", "anyOf", "oneOf", "allOf", "const", "nullable", "title", "$schema"] {
        assert!(!map.contains_key(forbidden), "{path}: {forbidden}");
    }
    assert!(map.get("type").is_some_and(Value::is_string), "{path}: one type");
    assert!(map.get("default").is_none_or(|value| !value.is_null()), "{path}: default null");
    if let Some(properties) = map.get("properties") {
        for (name, inner) in properties.as_mapping().unwrap() {
            check(&format!("{path}.{}", name.as_str().unwrap()), inner);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = map.get(inner) {
            check(&format!("{path}.{inner}"), schema);
        }
    }
}
