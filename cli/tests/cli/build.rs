//! `joch plugin build`: with cargo, and with a project's own make.

use joch_artifact::Package;

use crate::project::{compiling, project};
use crate::run::Place;

#[test]
fn a_rust_project_becomes_one_small_file_with_its_manifest() {
    let project = project();
    let package = Package::read(project.component()).unwrap();
    assert_eq!(package.manifest.plugin.name.as_str(), "banner");
    assert!(package.size() < 400 << 10, "{} bytes", package.size());
    let said = &project.built.stdout;
    let words: Vec<&str> = said.split_whitespace().collect();
    let digest = package.digest.to_string();
    let [.., "dist/banner.wasm", "banner", "0.1.0", _, "KiB", last] = words.as_slice() else {
        panic!("{said}");
    };
    assert_eq!(*last, digest);
}

#[test]
fn a_folder_that_is_no_project_is_told_so() {
    let place = Place::new();
    let error = place.joch(&["plugin", "build", "nowhere"]).error();
    assert_eq!(error, "there is no folder nowhere");
    let error = place.joch(&["plugin", "build"]).error();
    assert!(
        error.contains("neither a Cargo.toml nor a Makefile: begin with `joch plugin new`"),
        "{error}"
    );
}

#[test]
fn a_project_of_another_language_is_built_by_its_make() {
    let place = Place::new();
    place.write("plugin.toml", project().text("plugin.toml").replace("\"banner\"", "\"other\""));
    place.write("component.wasm", project().component());
    place.write(
        "Makefile",
        "dist:\n\tmkdir dist && joch plugin pack component.wasm plugin.toml -o dist/other.wasm\n",
    );
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_joch")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let place = place.with("PATH", path);
    let said = place.joch(&["plugin", "build"]).good();
    assert!(said.contains("\ndist/other.wasm") && !said.contains("mkdir"), "{said}");

    place.write("Makefile", "dist:\n\tfalse\n");
    std::fs::remove_dir_all(place.path().join("dist")).unwrap();
    assert_eq!(place.joch(&["plugin", "build"]).error(), "make failed in .");
    place.write("Makefile", "all:\n");
    let error = place.joch(&["plugin", "build"]).error();
    assert_eq!(error, "make made no ./dist/other.wasm: its first target has to");
}

#[test]
fn what_cargo_cannot_read_or_build_is_told() {
    let place = compiling(Place::new());
    place.write("a/Cargo.toml", "[package]\n");
    let error = place.joch(&["plugin", "build", "a"]).error();
    assert!(error.starts_with("cargo cannot read a/Cargo.toml: "), "{error}");

    let manifest = "[package]\nname = \"a\"\nedition = \"2024\"\n[workspace]\n";
    place.write("a/Cargo.toml", manifest);
    place.write("a/src/lib.rs", "syntax error");
    let ran = place.joch(&["plugin", "build", "a"]);
    assert!(ran.stderr.contains("src/lib.rs:1"), "cargo's own words are shown: {ran:?}");
    assert_eq!(ran.error(), "cargo could not build a");

    place.write("a/src/lib.rs", "");
    let error = place.joch(&["plugin", "build", "a"]).error();
    assert!(error.starts_with("a is built, but makes no component: give it crate-type"), "{error}");

    place.write("a/Cargo.toml", format!("{manifest}[lib]\ncrate-type = [\"cdylib\"]\n"));
    let error = place.joch(&["plugin", "build", "a"]).error();
    assert!(
        error.contains("a.wasm: the component holds no manifest: export the controllers"),
        "{error}"
    );

    place.write("a/Cargo.toml", "[workspace]\n");
    let error = place.joch(&["plugin", "build", "a"]).error();
    assert!(error.ends_with("describes no package: name the folder of one"), "{error}");
}

#[test]
fn missing_tools_are_named_with_the_way_to_get_them() {
    let place = Place::new();
    place.write("Cargo.toml", "[package]\nname = \"a\"\n");
    std::fs::create_dir(place.path().join("bin")).unwrap();
    let bin = place.path().join("bin");
    let place = place.with("PATH", &bin);
    let error = place.joch(&["plugin", "build"]).error();
    assert_eq!(error, "there is no cargo: install Rust from https://rustup.rs");

    // A compiler without the target says where it would be; nothing is there.
    let rustc = place.write("bin/rustc", "#!/bin/sh\necho /nowhere/wasm32-wasip2/lib\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(rustc, executable).unwrap();
    let error = place.joch(&["plugin", "build"]).error();
    let expected =
        "Rust's target wasm32-wasip2 is not installed: run `rustup target add wasm32-wasip2`";
    assert_eq!(error, expected);
}
