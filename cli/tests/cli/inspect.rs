//! `joch plugin inspect`.

use crate::project::project;
use crate::run::Place;

fn inspect(form: &str) -> String {
    let place = Place::new();
    let path = project().path().join("dist/banner.wasm");
    place.joch(&["plugin", "inspect", path.to_str().unwrap(), "-o", form]).good()
}

/// Without what differs from build to build, or from compiler to compiler.
fn stable(text: &str) -> String {
    let line = |line: &str| match line.split_once("sha256:") {
        Some((before, _)) => format!("{before}sha256:..."),
        None if line.starts_with("Size") => "Size      ...".to_owned(),
        None => line.to_owned(),
    };
    let own = |line: &&str| !line.starts_with("wasi:");
    text.lines().filter(own).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_plugin_is_described_for_people() {
    insta::assert_snapshot!(stable(&inspect("table")));
}

#[test]
fn a_plugin_is_described_for_programs() {
    let json: serde_json::Value = serde_json::from_str(&inspect("json")).unwrap();
    assert_eq!(json["controllers"][0]["reconciles"][0], "example.com/v1alpha1/Banner");
    assert_eq!(json["requests"][0]["where"], "the same namespace");
    let exports = json["exports"].as_array().unwrap();
    assert!(exports.contains(&"joch:controller/reconciler@0.1.0".into()), "{exports:?}");
    assert_eq!(json["limits"]["memory"], "64Mi");
    let yaml: serde_json::Value = serde_norway::from_str(&inspect("yaml")).unwrap();
    assert_eq!(yaml, json);
}

#[test]
fn what_has_little_is_described_as_well_and_dangerous_requests_are_named() {
    let place = Place::new();
    place.write(
        "plugin.toml",
        "manifest = 1\nplugin = { name = \"p\", version = \"1\", kind = \"adapter\", track = \"0.1\" }\n\
         [[grant.kube]]\nverbs = [\"create\"]\nkinds = [\"v1/Pod\"]\nnamespaces = \"all\"\n\
         [[metric]]\nname = \"runs\"\nkind = \"counter\"\nhelp = \"Runs.\"\nlabels = { end = [\"good\", \"bad\"] }\n",
    );
    place.write("c.wasm", wat::parse_str("(component)").unwrap());
    place.joch(&["plugin", "pack", "c.wasm", "plugin.toml", "-o", "p.wasm"]).good();
    let said = place.joch(&["plugin", "inspect", "p.wasm"]).good();
    for part in
        ["DANGEROUS\ncreate on v1/Pod in all namespaces", "end: good, bad", "Kind      adapter"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_is_no_plugin_is_told_so_with_its_file() {
    let place = Place::new();
    place.write("junk.wasm", "junk");
    place.write("core.wasm", wat::parse_str("(module)").unwrap());
    place.write("bare.wasm", wat::parse_str("(component)").unwrap());
    for (file, part) in [
        ("none.wasm", "none.wasm cannot be read: No such file"),
        ("junk.wasm", "junk.wasm: the file is no WebAssembly"),
        ("core.wasm", "core.wasm: the file is a core module, not a component"),
        ("bare.wasm", "bare.wasm: the component holds no manifest"),
    ] {
        let error = place.joch(&["plugin", "inspect", file]).error();
        assert!(error.starts_with(part), "{error}");
    }
}
