//! `joch plugin pack`.

use joch_artifact::Package;

use crate::run::Place;

const MANIFEST: &str = "manifest = 1\n[plugin]\nname = \"packed\"\nversion = \"3\"\nkind = \"adapter\"\n\
                        track = \"0.1\"\n";

fn place() -> Place {
    let place = Place::new();
    place.write("plugin.toml", MANIFEST);
    place.write("component.wasm", wat::parse_str("(component)").unwrap());
    place.write("core.wasm", wat::parse_str("(module)").unwrap());
    place
}

#[test]
fn a_component_gets_its_manifest_and_is_announced() {
    let place = place();
    let said = place.joch(&["plugin", "pack", "component.wasm", "plugin.toml", "-o", "new/p.wasm"]);
    let said = said.good();
    let package = Package::read(std::fs::read(place.path().join("new/p.wasm")).unwrap()).unwrap();
    assert_eq!(package.manifest.plugin.name.as_str(), "packed");
    assert!(said.contains(&package.digest.to_string()) && said.contains(" B "), "{said}");

    // In place, and again: the manifest is replaced.
    place.write("plugin.toml", MANIFEST.replace("\"3\"", "\"4\""));
    place.joch(&["plugin", "pack", "new/p.wasm", "plugin.toml", "--out", "new/p.wasm"]).good();
    let package = Package::read(std::fs::read(place.path().join("new/p.wasm")).unwrap()).unwrap();
    assert_eq!(package.manifest.plugin.version, "4");
}

#[test]
fn what_is_wrong_is_told_with_its_file() {
    let place = place();
    place.write("wrong.toml", MANIFEST.replace("version", "vresion"));
    place.write("binary.toml", [0xff, 0xfe]);
    place.write("file", "");
    for (component, manifest, out, sentence) in [
        (
            "core.wasm",
            "plugin.toml",
            "p.wasm",
            "core.wasm: the file is a core module, not a component: build it for wasm32-wasip2, or \
             convert it with `wasm-tools component new`",
        ),
        (
            "none.wasm",
            "plugin.toml",
            "p.wasm",
            "none.wasm cannot be read: No such file or directory",
        ),
        ("component.wasm", "none.toml", "p.wasm", "none.toml cannot be read: No such file"),
        ("component.wasm", "binary.toml", "p.wasm", "binary.toml is not UTF-8 text"),
        ("component.wasm", "plugin.toml", "file/p.wasm", "file/p.wasm cannot be written: "),
    ] {
        let error = place.joch(&["plugin", "pack", component, manifest, "-o", out]).error();
        assert!(error.starts_with(sentence), "{sentence:?}: {error}");
        assert!(!place.path().join("p.wasm").exists());
    }
    let ran = place.joch(&["plugin", "pack", "component.wasm", "wrong.toml", "-o", "p.wasm"]);
    let said = "error: wrong.toml: plugin.toml is not valid: ";
    assert!(
        ran.code == 1 && ran.stderr.starts_with(said) && ran.stderr.contains("vresion"),
        "{ran:?}"
    );
}
